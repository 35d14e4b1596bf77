"""A proxy on the loopback that cuts connections: the N-th thing a client says is not passed on, and its connection ends there; once, or
from then on every one. What a client says in one piece counts once: a statement of SQL, a request of HTTP, a batch of commands.
"""

import contextlib
import select
import socket
import threading

# A piece longer than this counts more than once: the rows of a load.
PIECE_BYTES = 16 << 10


class CuttingProxy:
    def __init__(self):
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.target = None
        self.pass_all()
        self.closing = False
        threading.Thread(target=self.accept, daemon=True).start()

    def in_front_of(self, port):
        self.target = port
        return self.port

    def pass_all(self):
        """Nothing is cut; counting begins anew."""
        with self.lock:
            self.at, self.forever, self.pieces, self.cuts = 0, False, 0, 0

    def cut(self, at, forever):
        with self.lock:
            self.at, self.forever, self.pieces, self.cuts = at, forever, 0, 0

    def close(self):
        self.closing = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def judge(self):
        """Is this piece cut off?"""
        with self.lock:
            self.pieces += 1
            hit = self.at > 0 and (self.pieces >= self.at if self.forever else self.pieces == self.at)
            self.cuts += hit
            return hit

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client, socket.create_connection(("127.0.0.1", self.target), timeout=10) as server:
            server.settimeout(None)
            while not self.closing:
                for ready in select.select([client, server], [], [], 1)[0]:
                    data = ready.recv(PIECE_BYTES)
                    if not data:
                        return
                    if ready is client and self.judge():
                        # A reset, so that nobody waits for what does not come.
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                        return
                    (server if ready is client else client).sendall(data)
