"""A relay between a client and a server, which can cut the network."""

import socket
import threading


class Relay:
    """Relays connections to its own port to 127.0.0.1:`target`. Leaving `with` ends it."""

    def __init__(self, target):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._is_cut = False
        self._pairs = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.cut()
        # Shutting the listener down ends its accept. Closing it might not.
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def cut(self):
        """Ends all present and future connections."""
        with self._lock:
            self._is_cut = True
            for pair in self._pairs:
                hang_up(pair)
            self._pairs = []

    def restore(self):
        with self._lock:
            self._is_cut = False

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                self._pairs.append((near, far))
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    thread = threading.Thread(target=pump, args=(one, other), daemon=True)
                    self._threads.append(thread)
                    thread.start()


def hang_up(pair):
    for one in pair:
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has gone already


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    hang_up((source, sink))
