"""Is what came back what was there? A fast wrong restore is worth nothing."""

import subprocess


def same_tree(stack, restored):
    done = subprocess.run(["diff", "-r", "--no-dereference", "-x", "*-wal", "-x", "*-shm", stack, restored], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"a restore differs:\n{done.stdout[:2000]}")


def same_database(live, restored):
    """Equal but for the counters in the header (change counter, schema cookie, version-valid-for), which SQLite's backup API sets."""
    with open(live, "rb") as one, open(restored, "rb") as other:
        first, second = bytearray(one.read(1 << 20)), bytearray(other.read(1 << 20))
        for at in (24, 40, 92):
            first[at:at + 4] = second[at:at + 4] = bytes(4)
        while first == second:
            if not first:
                return
            first, second = one.read(1 << 20), other.read(1 << 20)
    raise RuntimeError("ingot's restored database differs")


def same_file(live, restored):
    done = subprocess.run(["cmp", live, restored], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"a restored file differs: {done.stdout or done.stderr}")
