"""A small local server with the part of the Hugging Face Hub's interface that uploads and downloads need.

Run it as a program: it prints its port, then serves until it is terminated. Files are kept in memory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"

repositories: dict[str, dict[str, bytes]] = {}


class Hub(BaseHTTPRequestHandler):
    """Create repositories, accept commits and serve files."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def _reply(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, values: object) -> None:
        self._reply(200, json.dumps(values).encode(), Content_Type="application/json")

    def _file(self) -> None:
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", self.path.split("?")[0])
        files = repositories.get(found[1]) if found else None
        if files is None:
            self._reply(404, X_Error_Code="RepoNotFound")
        elif not found or found[2] not in files:
            self._reply(404, X_Error_Code="EntryNotFound")
        else:
            content = files[found[2]]
            etag = f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'
            self._reply(200, content, ETag=etag, X_Repo_Commit=COMMIT, Accept_Ranges="none")

    do_GET = do_HEAD = _file  # noqa: N815 (names of http.server)

    def do_POST(self) -> None:
        """Answer the calls of an upload."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0]
        if path == "/api/repos/create":
            values = json.loads(body)
            name = f"{values.get('organization') or 'tester'}/{values['name'].split('/')[-1]}"
            repositories.setdefault(name, {})
            self._json({"url": f"http://{self.headers['Host']}/{name}", "name": name})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/[^/]+", path):
            files = json.loads(body)["files"]
            self._json({"files": [{**file, "uploadMode": "regular", "shouldIgnore": False} for file in files]})
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/[^/]+", path):
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    repositories[found[1]][entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            url = f"http://{self.headers['Host']}/{found[1]}/commit/{COMMIT}"
            self._json({"success": True, "commitOid": COMMIT, "commitUrl": url})
        else:
            self._reply(404)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    print(server.server_address[1], flush=True)
    server.serve_forever()
