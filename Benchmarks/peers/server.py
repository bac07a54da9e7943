"""A server that a peer starts, asks over HTTP, and ends."""
import http.client
import os
import socket
import subprocess
import time


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, command, port, ready, log):
        self.port = port
        with open(log, "w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        for _ in range(600):
            if self.process.poll() is not None:
                break
            try:
                self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
                self.request("GET", ready)
                return
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
        self.stop()
        with open(log) as output:
            raise RuntimeError(f"{command[0]} did not start: {output.read()[-300:]}")

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)

    def request(self, method, path, body=None, connection=None):
        connection = connection or self.connection
        connection.request(method, path, body)
        response = connection.getresponse()
        content = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{response.status} {content[:300]!r}")
        return content

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_idle(self, least=6, most=180):
        """Until merges and compactions in the background seem to have ended."""
        begun, still = time.perf_counter(), 0
        while time.perf_counter() - begun < most:
            before = self.cpu_seconds()
            time.sleep(1)
            still = still + 1 if self.cpu_seconds() - before < 0.05 else 0
            if still >= 4 and time.perf_counter() - begun > least:
                return

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(120)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
