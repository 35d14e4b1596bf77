"""An HTTP server on a free port of the loopback that remembers what it was sent: a webhook, a healthchecks url, an application's health."""

import contextlib
import http.server
import threading


class Receiver:
    """What it was sent, in order. `status` is what it answers, `hang_s` how late; `answer` gives status and body instead."""

    def __init__(self):
        self.seen, self.status, self.hang_s, self.answer = [], 200, 0, None
        self.over = threading.Event()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def reply(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                receiver.seen.append((self.command, self.path, body))
                if receiver.hang_s and receiver.over.wait(receiver.hang_s):
                    return
                status, text = receiver.answer() if receiver.answer else (receiver.status, "")
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text.encode())))
                    self.end_headers()
                    self.wfile.write(text.encode())

            do_GET = do_POST = reply

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that gave up

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def take(self):
        seen, self.seen = self.seen, []
        return seen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
