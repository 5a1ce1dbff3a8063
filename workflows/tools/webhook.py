"""A channel of a team for a try: takes what is posted to it, and prints it."""

from http.server import BaseHTTPRequestHandler, HTTPServer


class Channel(BaseHTTPRequestHandler):
    """Answers every POST with `ok`, as channels do."""

    def do_POST(self) -> None:
        """Print what was posted."""
        length = int(self.headers.get("Content-Length") or 0)
        print(self.rfile.read(length).decode("utf-8", "replace"), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Channel)
    print(f"export TEAM_WEBHOOK=http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
