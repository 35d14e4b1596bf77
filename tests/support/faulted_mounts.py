"""File systems of a test's own: small, full, read-only, or cut from their power.

They are mounted in a mount namespace of this process, and loop devices are set to clear themselves: when the process ends, in
whatever way, the kernel takes everything away that it made, and nothing else.
"""

import ctypes
import fcntl
import os
import struct
import sys

from faulted_run import CI, Failed, require, run

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH, LOG_FLUSH = 2, 1  # what was not synced is gone; or is gone with its names there, as files without bytes

CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x00020000, 0x4000, 1 << 18


def own_namespace():
    """False, with the reason said, where mounting is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0:
        print("mounting needs root")
        return False
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        print(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
        return False
    return True


def need_mounts(name):
    """In CI a test that cannot mount fails; elsewhere it is skipped, and says so."""
    if own_namespace():
        return
    print(f"{name}: {'FAILED' if CI else 'SKIPPED'}: file systems cannot be mounted here")
    sys.exit(1 if CI else 0)


class Mount:
    """A file system of its own; leaving the block unmounts it."""

    def __init__(self, folder, *words):
        self.path, self.words = folder, words
        os.makedirs(folder, exist_ok=True)
        self.mount()

    @staticmethod
    def tmpfs(folder, size):
        return Mount(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")

    @staticmethod
    def bind(what, over):
        mount = Mount.__new__(Mount)
        mount.path, mount.words = over, ("--bind", what)
        mount.mount()
        return mount

    def mount(self):
        run(["mount", *self.words, self.path]).expect(0)

    def remount(self, options):
        run(["mount", "-o", "remount," + options, self.path]).expect(0)

    def unmount(self):
        run(["umount", self.path]).expect(0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run(["umount", "-l", self.path])


class Disk(Mount):
    """An ext4 on a loop device whose power can be cut."""

    def __init__(self, folder, mib=256):
        self.image = folder + ".image"
        with open(self.image, "wb") as file:
            file.truncate(mib << 20)
        run(["mkfs.ext4", "-q", "-F", "-m", "0", self.image]).expect(0)
        super().__init__(folder, "-o", "loop", self.image)
        require(os.stat(folder).st_dev != os.stat(os.path.dirname(folder)).st_dev, "nothing was mounted")

    def sync(self):
        run(["sync", "-f", self.path]).expect(0)

    def cut(self, flag, process=None):
        """The power is gone, and with it the process; then the machine starts again."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", flag))
        finally:
            os.close(fd)
        if process is not None:
            process.kill()
            process.wait()
        self.unmount()
        self.mount()


def loop_devices_work(folder):
    """Can the power be cut here, and is what was not synced gone then?"""
    try:
        with Disk(folder + "/probe", 16) as disk:
            for name, synced in (("synced", True), ("unsynced", False)):
                with open(f"{disk.path}/{name}", "wb") as file:
                    file.write(b"bytes")
                    if synced:
                        file.flush()
                        os.fsync(file.fileno())
            disk.cut(NO_LOG_FLUSH)
            require(os.path.getsize(disk.path + "/synced") == 5, "a synced file did not survive")
            require(not os.path.exists(disk.path + "/unsynced"), "a file that was not synced survived")
    except (Failed, OSError) as failure:
        print(f"the power of a loop device cannot be cut: {failure}")
        return False
    os.remove(folder + "/probe.image")
    return True
