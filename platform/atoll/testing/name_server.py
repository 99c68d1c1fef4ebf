"""A name server on loopback for tests of DNS: ``dns://`` and ``srv://`` addresses of services."""

import socketserver
import struct
import threading
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

UDP_BYTES = 512
PORTS_TRIED = 50


class NameServer:
    """Answers with ``records``, by name and type: ``{("users.test", "A"): ["127.0.0.1"]}``.

    A name without any record does not exist (NXDOMAIN). ``is_away`` True: no question is answered. ``ttl_s``
    is the time to live of each record. ``asked`` are the questions, ``users.test A``. An answer that does not
    fit into a datagram is cut, and whole over TCP.
    """

    def __init__(self, records: dict[tuple[str, str], list[str]] | None = None, *, ttl_s: int = 30) -> None:
        self.records = records or {}
        self.ttl_s = ttl_s
        self.is_away = False
        self.rcode = dns.rcode.NOERROR
        self.additional: dict[tuple[str, str], list[str]] = {}
        self.asked: list[str] = []
        self._tcp, self._udp = self._listen()
        self.port: int = self._tcp.server_address[1]
        for server in (self._tcp, self._udp):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        """The value of DNS_SERVERS."""
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()

    def answer(self, wire: bytes, *, is_udp: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        if self.is_away:
            return None
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        reply.set_rcode(self.rcode)
        values = self.records.get((name, kind), [])
        if self.rcode == dns.rcode.NOERROR and not any(known == name for known, _ in self.records):
            reply.set_rcode(dns.rcode.NXDOMAIN)
        elif self.rcode == dns.rcode.NOERROR and values:
            reply.answer.append(dns.rrset.from_text_list(question.name, self.ttl_s, "IN", kind, values))
        for (other, type_), texts in self.additional.items():
            reply.additional.append(
                dns.rrset.from_text_list(dns.name.from_text(other), self.ttl_s, "IN", type_, texts)
            )
        whole = reply.to_wire()
        if is_udp and len(whole) > UDP_BYTES:
            reply.answer.clear()
            reply.additional.clear()
            reply.flags |= dns.flags.TC
            return reply.to_wire()
        return whole

    def _listen(self) -> tuple[socketserver.ThreadingTCPServer, socketserver.ThreadingUDPServer]:
        """Both at one port. A port that is free for one kind may be taken for the other."""
        for _ in range(PORTS_TRIED):
            stream = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler(_Connection))
            try:
                datagrams = self._handler(_Datagram)
                return stream, socketserver.ThreadingUDPServer(stream.server_address, datagrams)
            except OSError:
                stream.server_close()
        raise OSError("no port of loopback is free for both UDP and TCP")

    def _handler(self, kind: type["_Handler"]) -> Any:
        return type(kind.__name__, (kind,), {"names": self})


class _Handler(socketserver.BaseRequestHandler):
    names: NameServer


class _Datagram(_Handler):
    def handle(self) -> None:
        wire, socket = self.request
        if (answer := self.names.answer(wire, is_udp=True)) is not None:
            socket.sendto(answer, self.client_address)


class _Connection(_Handler):
    def handle(self) -> None:
        head = self.request.recv(2)
        if len(head) == 2:
            (length,) = struct.unpack("!H", head)
            wire = b""
            while len(wire) < length and (piece := self.request.recv(length - len(wire))):
                wire += piece
            if (answer := self.names.answer(wire, is_udp=False)) is not None:
                self.request.sendall(struct.pack("!H", len(answer)) + answer)
