#!/usr/bin/python3
"""An nginx config in a stack, with the real server on a free port of the loopback: what golden proves of it, what a restore makes the
server do, and that a config it refuses is never live for long.

Called by ctest with the program's path, the build folder and the source folder.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from stack import StackTest, main, require_said
from faulted_run import CI, require

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")

CONF = """\
pid {var}/nginx.pid;
error_log {var}/error.log;
{user}worker_processes 1;
events {{}}
http {{
    access_log {var}/access.log;
    client_body_temp_path {var}/body;
    proxy_temp_path {var}/proxy;
    fastcgi_temp_path {var}/fastcgi;
    scgi_temp_path {var}/scgi;
    uwsgi_temp_path {var}/uwsgi;
    include {web}/sites-enabled/*;
}}
"""

SITE = """\
server {{
    listen 127.0.0.1:{port};
    location /private {{ auth_basic rag; auth_basic_user_file {root}/secrets/htpasswd; }}
    location / {{ return 200 "{answer}"; }}
}}
"""


def until(is_so, what):
    for _ in range(2000):
        if is_so():
            return
        time.sleep(0.005)
    require(False, f"{what}: not within 10 s")


class NginxStackTest(StackTest):
    def setUp(self):
        if NGINX is None:
            require(not CI, "no nginx; ./dev test installs it")
            self.skipTest("no nginx on this host; ./dev test installs it")
        super().setUp()

    def web(self, *lines):
        """A stack with a config of one site, and a repository."""
        var = self.folder + "/var"
        prefix = [f'prefix = "{var}"', *lines]
        stack = self.stack(taken=False, sources={"web": ("nginx", [], 'conf = "web/nginx.conf"', *prefix), "files": ("files", ["docs"])})
        os.makedirs(var)
        stack.var, stack.web, stack.extra = var, stack.root + "/web", []
        for folder in ("/web/sites-available", "/web/sites-enabled", "/secrets"):
            os.makedirs(stack.root + folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            stack.port = probe.getsockname()[1]
        self.write(stack.web + "/nginx.conf", CONF.format(var=var, web=stack.web, user="user root;\n" if os.geteuid() == 0 else ""))
        self.write(stack.root + "/secrets/htpasswd", "rag:{PLAIN}x\n")
        os.symlink("../sites-available/rag", stack.web + "/sites-enabled/rag")
        self.site(stack, "one")
        stack.init()
        return stack

    @staticmethod
    def write(path, text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def site(self, stack, answer, more=""):
        self.write(stack.web + "/sites-available/rag", SITE.format(port=stack.port, root=stack.root, answer=answer) + more)

    @staticmethod
    def served(stack):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{stack.port}/", timeout=5) as answer:
                return answer.read().decode()
        except (urllib.error.URLError, OSError):
            return None

    def require_served(self, stack, answer, *evidence):
        got = self.served(stack)
        require(got == answer, f"{got} is served and not {answer}", *evidence)

    @contextlib.contextmanager
    def server(self, stack):
        words = [*stack.user, NGINX, "-c", stack.web + "/nginx.conf", "-p", stack.var + "/", "-g", "daemon off;"]
        server = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        try:
            until(lambda: self.served(stack) is not None, "nginx answers")
            yield server
            require(server.poll() is None, "nginx was restarted, or died")
        finally:
            server.terminate()
            server.wait()

    def golden(self, stack):
        done = stack.ingot("snapshot", "--golden").expect(0)
        return done.summary["snapshot_id"]

    def evidence(self, stack, snapshot):
        return stack.text("show", snapshot).expect(0).out.decode()


class Served(NginxStackTest):
    def test_a_restore_serves_the_old_answer_without_a_restart(self):
        stack = self.web()
        with self.server(stack):
            before = sorted(os.listdir(stack.var))
            snapshot = self.golden(stack)
            require(sorted(os.listdir(stack.var)) == before, f"a test left files: {os.listdir(stack.var)}")
            require("tested_by" in self.evidence(stack, snapshot), "the evidence does not name nginx", self.evidence(stack, snapshot))
            self.site(stack, "two")
            subprocess.run([NGINX, "-c", stack.web + "/nginx.conf", "-p", stack.var + "/", "-s", "reload"], check=True, capture_output=True)
            until(lambda: self.served(stack) == "two", "the change is served")
            done = stack.ingot("restore", snapshot, "--yes").expect(0)
            self.require_served(stack, "one", done)

    def test_a_config_that_is_lost_comes_back_with_what_it_named_outside_of_its_folder(self):
        stack = self.web()
        snapshot = self.golden(stack)
        with self.server(stack):
            self.write(stack.web + "/nginx.conf", "cut sh")
            self.write(stack.web + "/sites-enabled/later", "nonsense;")
            os.remove(stack.root + "/secrets/htpasswd")
            done = stack.ingot("restore", snapshot, "--yes").expect(0)
            require(not os.path.lexists(stack.web + "/sites-enabled/later"), "a site that was not there then stayed", done)
            require(os.path.exists(stack.root + "/secrets/htpasswd"), "the password file did not come back", done)
            self.require_served(stack, "one", done)

    def test_a_server_that_cannot_take_it_gets_its_old_config_back(self):
        stack = self.web()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            self.site(stack, "one", f"server {{ listen 127.0.0.1:{port}; }}\n")
            snapshot = self.golden(stack)
            self.site(stack, "two")
            with self.server(stack):
                taken.listen()
                done = stack.text("restore", snapshot, "--yes").expect(21)
                require_said(done, "Address already in use", "the old state is live")
                with open(stack.web + "/sites-available/rag", encoding="utf-8") as file:
                    require('"two"' in file.read(), "the old file is not back", done)
                self.require_served(stack, "two", done)
                require(not stack.leftovers(), f"left behind: {stack.leftovers()}", done)

    def test_what_nginx_refuses_now_is_not_swapped_in(self):
        stack = self.web()
        self.write(stack.root + "/secrets/ca.pem", "x")
        self.site(stack, "one", "include /proc/self/ingot-was-here;\n")
        snapshot = stack.ingot("snapshot").expect(0).summary["snapshot_id"]
        self.site(stack, "two")
        with self.server(stack):
            done = stack.text("restore", snapshot, "--yes")
            require(done.status in (1, 20), "not refused", done)
            require_said(done, "ingot-was-here", "nothing was changed")
            self.require_served(stack, "two", done)

    def test_reload_none_leaves_the_server_alone(self):
        stack = self.web('reload = ""')
        snapshot = self.golden(stack)
        self.site(stack, "two")
        with self.server(stack):
            stack.ingot("restore", snapshot, "--yes").expect(0)
            self.require_served(stack, "two")

    @unittest.skipUnless(os.geteuid() == 0, "becomes another user")
    def test_an_ordinary_user_is_served_as_well_or_told_what_was_not_tested(self):
        stack = self.web()
        self.write(stack.web + "/nginx.conf", CONF.format(var=stack.var, web=stack.web, user=""))
        stack.as_nobody()
        subprocess.run(["chown", "-R", "65534:65534", stack.var], check=True)
        snapshot = self.golden(stack)
        said = self.evidence(stack, snapshot)
        require("tested_by=nginx/" in said or "may not make a mount namespace" in said, "not tested, and no good reason why", said)
        print("as nobody:", next(line.strip() for line in said.splitlines() if "tested_by" in line))
        self.site(stack, "two")
        with self.server(stack):
            done = stack.ingot("restore", snapshot, "--yes").expect(0)
            self.require_served(stack, "one", done)


class Golden(NginxStackTest):
    def not_golden(self, stack, *said):
        """Stored and said to be so; golden refused in nginx's own words; nothing of the test is left."""
        before = sorted(os.listdir(stack.var))
        done = stack.text("snapshot", "--golden").expect(3)
        require_said(done, *said)
        latest = stack.ingot("list").lines[-1]
        require("golden" in str(latest), "no snapshot is listed", str(latest))
        stack.ingot("restore", "latest", "--to", self.folder + "/to").expect(0)
        with open(self.folder + "/to/web/web/sites-available/rag", "rb") as mine, open(stack.web + "/sites-available/rag", "rb") as live:
            require(mine.read() == live.read(), "the config was not stored as it is", done)
        require(sorted(os.listdir(stack.var)) == before, f"a test left files: {os.listdir(stack.var)}", done)
        return done

    def test_a_dangling_link_is_stored_and_not_golden(self):
        stack = self.web()
        os.symlink("../sites-available/gone", stack.web + "/sites-enabled/dangling")
        self.not_golden(stack, "sites-enabled/dangling\" failed (2: No such file or directory)")
        require(os.readlink(self.folder + "/to/web/web/sites-enabled/dangling") == "../sites-available/gone", "the link is another")

    def test_a_missing_certificate_is_not_golden(self):
        stack = self.web()
        self.site(stack, "one", "server { listen 127.0.0.1:1 ssl; ssl_certificate gone.pem; ssl_certificate_key gone.key; }\n")
        self.not_golden(stack, "cannot load certificate", "gone.pem")

    def test_an_upstream_that_does_not_resolve_is_not_golden(self):
        stack = self.web()
        self.site(stack, "one", "server { location / { proxy_pass http://no-such-host.invalid; } }\n")
        self.not_golden(stack, "host not found in upstream \"no-such-host.invalid\"")

    def test_a_broken_config_is_not_golden(self):
        stack = self.web()
        self.site(stack, "one", "nonsense on;\n")
        self.not_golden(stack, "unknown directive \"nonsense\"")

    def test_a_test_that_hangs_is_ended(self):
        fake = self.folder + "/fake-nginx"
        stack = self.web(f'nginx = "{fake}"', 'time_limit = "500ms"')
        self.write(fake, "#!/bin/sh\n[ \"$1\" = -V ] && { echo 'nginx version: nginx/0.fake' >&2; exit 0; }\nsleep 60\n")
        os.chmod(fake, 0o755)
        self.not_golden(stack, "ran longer than 500 ms and was ended")

    def test_without_nginx_the_evidence_says_that_nothing_tested_it(self):
        stack = self.web('nginx = "no-such-nginx"')
        said = self.evidence(stack, self.golden(stack))
        require("no program no-such-nginx" in said, "the evidence does not say so", said)

    def test_a_config_that_is_not_there_is_a_missing_source(self):
        stack = self.web()
        os.remove(stack.web + "/nginx.conf")
        done = stack.text("snapshot").expect(3)
        require_said(done, "nginx.conf", "is not there")


if __name__ == "__main__":
    main()
