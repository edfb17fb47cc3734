"""Lets a client's checks start the gateway again, on its ports and with its data directory.

The runner serves; a check runs the command that GATEWAY_RESTART holds, as a shell line, and comes
back when the gateway is ready again.
"""

import os
import shlex
import socket
import sys
import threading


class Restarts:
    """As long as the block lasts.  Its thread lives as long, for the gateway goes with the thread
    that started it."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)

    @property
    def environment(self):
        line = [sys.executable, "-B", os.path.abspath(__file__), str(self.port)]
        return {"GATEWAY_RESTART": shlex.join(line)}

    def serve(self):
        while True:
            peer, _ = self.listener.accept()
            with peer:
                if peer.recv(16) != b"restart":
                    return
                peer.sendall(self.restart())

    def restart(self):
        try:
            self.gateway.start_again()
            return b"ready"
        except Exception as error:  # the check that asked for it is to fail, not the run
            return f"it did not start again: {error}".encode()

    def close(self):
        """Waits for a restart that is under way; the gateway is to be closed before."""
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"end")
            self.thread.join()
        self.listener.close()

    def start(self):
        self.thread.start()
        return self


def ask(port):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as runner:
        runner.sendall(b"restart")
        answer = runner.recv(4096)
    return None if answer == b"ready" else answer.decode(errors="replace")


if __name__ == "__main__":
    sys.exit(ask(int(sys.argv[1])))
