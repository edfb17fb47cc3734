"""An authority made for a test, with every certificate, good or bad, that the test wants of it."""

import datetime
import ipaddress
import os
import stat

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def now():
    return datetime.datetime.utcnow()


def name_of(words):
    """ "CN=shop,O=Acme" as a name; the most particular part comes first, as RFC 2253 writes it."""
    kinds = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME}
    parts = [word.split("=", 1) for word in reversed(words.split(","))]
    return x509.Name([x509.NameAttribute(kinds[kind], value) for kind, value in parts])


def alternative(name):
    kind, value = name.split(":", 1)
    if kind == "IP":
        return x509.IPAddress(ipaddress.ip_address(value))
    return {"DNS": x509.DNSName, "email": x509.RFC822Name,
            "URI": x509.UniformResourceIdentifier}[kind](value)


def new_key(kind):
    if kind == "rsa":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


class Issued:
    """A certificate with its key, in two files."""

    def __init__(self, directory, stem, key, certificate, chain=()):
        self.key, self.certificate = key, certificate
        self.cert_file = os.path.join(directory, f"{stem}.pem")
        self.key_file = os.path.join(directory, f"{stem}.key")
        write(self.cert_file, b"".join(c.public_bytes(serialization.Encoding.PEM)
                                       for c in (certificate, *chain)))
        write(self.key_file, key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()), stat.S_IRUSR | stat.S_IWUSR)

    @property
    def flags(self):
        return ["--tls-cert", self.cert_file, "--tls-key", self.key_file]


def write(path, data, mode=0o644):
    """In one step, as an operator's tools do it."""
    with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
    os.rename(path + ".new", path)


class Authority(Issued):
    def __init__(self, directory, stem="ca", parent=None, days=(-1, 30)):
        self.directory = directory
        self.parent = parent
        key = new_key("ec")
        subject = name_of(f"CN={stem}")
        certificate = self.sign(parent or self, key if parent is None else parent.key, subject,
                                subject if parent is None else parent.certificate.subject,
                                key.public_key(), days,
                                [(x509.BasicConstraints(ca=True, path_length=None), True)])
        super().__init__(directory, stem, key, certificate)

    @staticmethod
    def sign(_, key, subject, issuer, public_key, days, extensions):
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
                   .public_key(public_key).serial_number(x509.random_serial_number())
                   .not_valid_before(now() + days[0] * DAY).not_valid_after(now() + days[1] * DAY))
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, is_critical)
        return builder.sign(key, hashes.SHA256())

    def issue(self, stem, subject=None, names=(), usage=SERVER, days=(-1, 10), kind="ec"):
        key = new_key(kind)
        extensions = [(x509.ExtendedKeyUsage([usage]), False)]
        if names:
            extensions.append((x509.SubjectAlternativeName([alternative(n) for n in names]), False))
        certificate = self.sign(self, self.key, name_of(subject or f"CN={stem}"),
                                self.certificate.subject, key.public_key(), days, extensions)
        chain = () if self.parent is None else (self.certificate,)
        return Issued(self.directory, stem, key, certificate, chain)

    def server(self, stem="server", names=("DNS:localhost", "IP:127.0.0.1"), **more):
        return self.issue(stem, names=names, **more)

    def client(self, stem="client", **more):
        return self.issue(stem, usage=CLIENT, **more)

    def revoke(self, *issued, stem="crl", days=(-1, 10)):
        """Writes the list of all that is revoked; gives its path."""
        builder = (x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
                   .last_update(now() + days[0] * DAY).next_update(now() + days[1] * DAY))
        for one in issued:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
                .revocation_date(now() - DAY).build())
        path = os.path.join(self.directory, f"{stem}.pem")
        write(path, builder.sign(self.key, hashes.SHA256())
              .public_bytes(serialization.Encoding.PEM))
        return path
