"""Installs the packages of clients; what cannot be had is left, and its client skipped."""

import os
import shutil
import subprocess

QUIETLY = "DEBIAN_FRONTEND=noninteractive"


def packages_of(clients):
    """Client by client, so that one that cannot be had does not take others with it."""
    wanted = [(client.title, missing) for client in clients
              if (missing := [p for p in client.debian_packages if not is_installed(p)])]
    if not wanted:
        return
    become = ["env", QUIETLY] if os.geteuid() == 0 else ["sudo", "-n", "env", QUIETLY]
    if not shutil.which("apt-get") or not shutil.which(become[0]):
        return
    run([*become, "apt-get", "update"])
    for title, packages in wanted:
        print(f"installing for {title}: {' '.join(packages)}", flush=True)
        run([*become, "apt-get", "install", "-y", "--no-install-recommends", *packages])


def fetched_of(clients):
    """What other package managers have; each must be there already."""
    for client in clients:
        if client.by and not client.by.is_here() and shutil.which(client.by.command[0]):
            print(f"installing for {client.title}: {client.by.how}", flush=True)
            if run(client.by.command, client.by.directory):
                client.by.arrived()


def run(command, directory=None):
    """Says why it did not go, and goes on; gives whether it went."""
    result = subprocess.run(command, cwd=directory, text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        print(f"{' '.join(command)}:", *result.stdout.splitlines()[-3:], sep="\n  ", flush=True)
    return result.returncode == 0


def is_installed(package):
    result = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package],
                            capture_output=True, text=True)
    return result.stdout == "installed"
