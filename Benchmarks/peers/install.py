"""Gets what the chosen peers need: wheels as requirements.txt pins them, packages of the Debian at hand."""
import importlib.util
import os
import shutil
import subprocess
import sys

from . import engines
from .peer import debian_version

REQUIREMENTS = "Benchmarks/peers/requirements.txt"


def say(text):
    print(text, file=sys.stderr, flush=True)


def install(names, root):
    """Failures are only told here: the peer itself then reports what it lacks."""
    peers = [engines.peer(name) for name in names]
    modules = [module for peer in peers for module in peer.modules if importlib.util.find_spec(module) is None]
    if modules:
        wheels(root)
    packages = [package for peer in peers for package in peer.packages if not debian_version(package)]
    if packages:
        debian(packages)


def wheels(root):
    done = subprocess.run(["Scripts/venv", REQUIREMENTS], cwd=root, stdout=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        return
    say("not all wheels can be had: trying them one by one")
    with open(f"{root}/{REQUIREMENTS}") as file:
        for line in filter(None, map(str.strip, file)):
            pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*pip, line], check=False)


def debian(packages):
    as_root = [] if os.getuid() == 0 else ["sudo"]
    if not shutil.which("apt-get") or (as_root and not shutil.which("sudo")):
        return say(f"not installed, for want of apt-get or root: {' '.join(packages)}")
    # Installing must not start servers of their own.
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    subprocess.run([*as_root, "apt-get", "update", "-qq"], check=False)
    for package in packages:
        say(f"installing {package}")
        subprocess.run([*as_root, *quiet, "apt-get", "install", "-y", "-qq", "--no-install-recommends", package],
                       stdout=subprocess.DEVNULL, check=False)
