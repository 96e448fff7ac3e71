"""ESP and AH by scapy, for tests/scapy.rs.

Each line of standard input is one task, fields separated by blanks, "-" for none:

    seal|open  ESP|AH  cipher key icv-octets  integrity key  spi sequence esn-high  tunnel  udp-port  packet

esn-high is the high half of an extended sequence number; tunnel is source,destination of the outer header, none in
transport mode; keys and the packet are hexadecimal, and the key of a cipher has its salt at the end. Each line of
standard output is the packet that comes out, or "error" and why.
"""

import sys

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import AH, ESP, SecurityAssociation


def whole(octets):
    return IPv6(octets) if octets[0] >> 4 == 6 else IP(octets)


def outer(tunnel):
    source, destination = tunnel.split(",")
    return (IPv6 if ":" in source else IP)(src=source, dst=destination)


def work(line):
    fields = [None if field == "-" else field for field in line.split()]
    operation, proto, cipher, key, icv, auth, auth_key, spi, sequence, esn, tunnel, port, packet = fields
    sa = SecurityAssociation(
        {"ESP": ESP, "AH": AH}[proto],
        spi=int(spi),
        seq_num=int(sequence),
        crypt_algo=cipher,
        crypt_key=key and bytes.fromhex(key),
        crypt_icv_size=icv and int(icv),
        auth_algo=auth,
        auth_key=auth_key and bytes.fromhex(auth_key),
        tunnel_header=tunnel and outer(tunnel),
        nat_t_header=port and UDP(sport=int(port), dport=int(port)),
        esn_en=esn is not None,
        esn=int(esn or 0),
    )
    packet = whole(bytes.fromhex(packet))
    if operation == "open":
        return bytes(sa.decrypt(packet)).hex()
    sealed = sa.encrypt(packet)
    if port:
        # Scapy 2.5 leaves the length of a datagram without payload.
        sealed[UDP].len = len(bytes(sealed[UDP]))
    return bytes(sealed).hex()


for line in sys.stdin:
    try:
        print(work(line))
    except Exception as why:
        print("error", repr(why))
