"""A forwarder of TCP connections, which can cut them: what a phone meets whose router is restarted."""

import contextlib
import select
import socket
import threading

from .ports import HOST, free_port


class Forwarder:
    """Passes on what comes to its port; `cut` ends the connections that stand, and new ones may come.

    Args:
        port: where to pass it on to.
    """

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        self.connections = 0
        "How many have come so far."
        self.to_phone: list[bytes] = []
        "What the server sent, by connection."
        self._target = (HOST, port)
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server((HOST, self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                phone, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._pairs.append((phone, server))
            self.to_phone.append(b"")
            self.connections += 1
            threading.Thread(target=self._pass_on, args=(phone, server, len(self.to_phone) - 1)).start()

    def _pass_on(self, phone: socket.socket, server: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ValueError), phone, server:
            while True:
                for source in select.select((phone, server), (), ())[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is server:
                        self.to_phone[number] += data
                        phone.sendall(data)
                    else:
                        server.sendall(data)

    def cut(self) -> None:
        """End every connection."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for sock in pair:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
