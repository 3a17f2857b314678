"""By which addresses the studio is reached: its own, whatever it listens on, and never by a foreign name."""

from __future__ import annotations

import socket

import pytest
from starlette.testclient import TestClient
from studio_client import TOKEN

from bgmusic.errors import UserError
from bgmusic.studio.hosts import allowed_hosts, links, listen
from bgmusic.studio.server import application

LOCAL, FOREIGN = ["127.0.0.1", "[::1]", "192.168.1.5", "localhost"], ["evil.example", "localhost.evil.example", ""]


def has_ipv6():
    try:
        listen("::1", 0).close()
    except UserError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::1", "::"])  # noqa: S104 (what is tested)
def test_the_page_is_reached_by_own_addresses_only(session, host):
    if ":" in host and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with listen(host, 0) as listening:
        port = listening.getsockname()[1]
        app, _ = application(session, TOKEN, allowed_hosts(host, listening))
        pages = links(host, listening)
        socket.create_connection((pages[0].split("/")[2].rsplit(":", 1)[0].strip("[]"), port), 10).close()
    wide = host in ("0.0.0.0", "::")  # noqa: S104
    client = TestClient(app, headers={"X-Studio-Token": TOKEN})

    def status(name, **headers):
        return client.get("/api/state", headers={"Host": f"{name}:{port}", **headers}).status_code

    assert len(pages) == 1 + wide
    own = [page.split("/")[2].rsplit(":", 1)[0] for page in pages]
    names = [socket.gethostname(), socket.gethostname().upper()] if wide else []
    assert {name: status(name) for name in own + LOCAL + names} == dict.fromkeys(own + LOCAL + names, 200)
    assert {name: status(name) for name in FOREIGN} == dict.fromkeys(FOREIGN, 421)
    assert status("127.0.0.1", Origin=f"http://127.0.0.1:{port}") == 200
    assert status("127.0.0.1", Origin=f"http://192.168.1.5:{port}") == 403
    assert client.get("/api/state", headers={"Host": f"127.0.0.1:{port + 1}"}).status_code == 421


def test_an_address_of_the_network_has_its_own_name_alone():
    class Listening:
        def getsockname(self):
            return "192.168.1.5", 80

    hosts = allowed_hosts("mybox.example", Listening())
    assert ["mybox.example:80" in hosts, "192.168.1.5:80" in hosts, "localhost:80" in hosts] == [True, True, False]


@pytest.mark.parametrize("host", ["nonsense.invalid", "192.0.2.1", "2001:db8::1", "fe80::1", "", "a" * 70])
def test_addresses_of_others_are_one_clear_line(host):
    with pytest.raises(UserError, match="--host") as refused:
        listen(host, 0)
    assert "--port" not in str(refused.value)
    assert "\n" not in str(refused.value)
