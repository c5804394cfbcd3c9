"""The daemon's HTTP port, for senders that live through its kills."""
import http.client
import json
import time


def call(address, method, path, body=None, headers=None, repeats=False):
    """(status, body, how many answers were lost before). Asks until it is taken; where an answer is lost it is asked again
    if the sender repeats, as MLflow's client does, else the status is None: it may have been done."""
    lost = 0
    for _ in range(3000):
        connection = http.client.HTTPConnection(address, timeout=20)
        sent = False
        try:
            connection.connect()
            sent = True
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            lost += sent
            if sent and not repeats:
                return None, b"", lost
            time.sleep(0.02)  # between a kill and the next start
            continue
        finally:
            connection.close()
        if answer.status != 503:
            return answer.status, text, lost
        time.sleep(0.1)
    raise AssertionError("nobody takes it any more")


class Client:
    """Calls of MLflow's REST API as MLflow's client makes them: as JSON, and again when an answer is lost."""

    HEADERS = {"User-Agent": "mlflow-python-client/3.17.2"}

    def __init__(self, address):
        self.address = address

    def __call__(self, method, path, body=None, may_be=()):
        """The answer's JSON. may_be: other statuses, and None for them; 404 where it was done before its answer was lost."""
        headers = self.HEADERS | ({} if body is None else {"Content-Type": "application/json"})
        status, text, lost = call(self.address, method, path, None if body is None else json.dumps(body), headers, repeats=True)
        if status in may_be or (lost and status == 404):
            return None
        assert status == 200, (method, path, body, status, text)
        return json.loads(text)

    def send(self, method, path, body, **headers):
        """(spans or a file) How many answers were lost."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, text, lost = call(self.address, method, path, body, self.HEADERS | named, repeats=True)
        assert status == 200, (method, path, status, text)
        return lost
