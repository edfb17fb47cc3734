"""What comes from other package managers than Debian's, and is too large for package.json: a folder
here pins it with checksums where its manager knows them, and a command there gets it."""

import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"


class Fetched:
    """`pin` and `thing` are in the folder: what names the version, and what the command makes."""

    def __init__(self, source, folder, command, pin, thing, version):
        self.source, self.folder, self.command = source, folder, command
        self.directory = os.path.join(HERE, folder)
        self.pin, self.thing = (os.path.join(self.directory, name) for name in (pin, thing))
        self.version_pattern = version

    @property
    def how(self):
        return f"{' '.join(self.command[:3])} in interop/{self.folder}/"

    def is_here(self):
        return (os.path.exists(self.thing) and
                os.path.getmtime(self.thing) >= os.path.getmtime(self.pin))

    def arrived(self):
        os.utime(self.thing)

    def version(self):
        with open(self.pin) as file:
            return re.search(self.version_pattern, file.read())[1]


def npm(folder, package):
    return Fetched("npm", folder, ["npm", "ci", "--no-audit", "--no-fund"], "package-lock.json",
                   "node_modules/.package-lock.json",
                   rf'node_modules/{package}": {{\s*"version": "(.*)"')


def maven(folder, package):
    return Fetched("Maven", folder, ["mvn", "-q", "-B", MAVEN_COPY, "-DoutputDirectory=target/lib"],
                   "pom.xml", "target/lib",
                   rf"<artifactId>{package}</artifactId>\s*<version>(.*)</version>")


def go(folder, package):
    return Fetched("Go", folder, ["go", "mod", "vendor"], "go.mod", "vendor/modules.txt",
                   rf"{package} v(\S+)")
