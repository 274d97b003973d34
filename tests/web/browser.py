"""A headless Chromium over its debugging pipe: real mouse and keyboard events, and everything a page complains about.
Only Python's own library is needed. Use as a context manager; the process and its profile are gone afterwards."""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

LIMIT_S = 120


def find_browser():
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="seep-web-")
        to_read, self.write_fd = os.pipe()
        self.read_fd, to_write = os.pipe()
        # The browser reads descriptor 3 and writes 4, whatever numbers the pipes have here.
        command = ["bash", "-c", 'exec 3<&%d 4>&%d "$@"' % (to_read, to_write), "bash", find_browser(), "--headless",
                   "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir=" + self.profile,
                   "--remote-debugging-pipe", "--window-size=1280,1000", "about:blank"]
        self.process = subprocess.Popen(command, pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, env=dict(os.environ, HOME=self.profile))
        os.close(to_read)
        os.close(to_write)
        self.rest, self.next_id, self.session = b"", 0, None
        self.complaints, self.requests, self.dialogs, self.loaded = [], [], [], False
        page = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.write_fd)
        os.close(self.read_fd)
        shutil.rmtree(self.profile, ignore_errors=True)

    def receive(self, deadline):
        while b"\0" not in self.rest:
            if not select.select([self.read_fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self.read_fd, 1 << 20)
            if not data:
                raise EOFError("the browser is gone")
            self.rest += data
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def note(self, message):
        method, what = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(what["exceptionDetails"].get("exception", what["exceptionDetails"])))
        elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(what["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(what["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(what["message"])
            self.send("Page.handleJavaScriptDialog", {"accept": True})
        elif method == "Page.loadEventFired":
            self.loaded = True

    def send(self, method, params):
        self.next_id += 1
        message = {"id": self.next_id, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_fd, json.dumps(message).encode() + b"\0")
        return self.next_id

    def call(self, method, **params):
        wanted, deadline = self.send(method, params), time.monotonic() + LIMIT_S
        while True:
            message = self.receive(deadline)
            if message.get("id") == wanted:
                if "error" in message:
                    raise RuntimeError(method + ": " + message["error"]["message"])
                return message["result"]
            self.note(message)

    def open(self, path):
        self.loaded, self.complaints, self.requests, self.dialogs = False, [], [], []
        self.call("Page.navigate", url="file://" + path)
        deadline = time.monotonic() + LIMIT_S
        while not self.loaded:
            self.note(self.receive(deadline))

    def eval(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(expression + ": " + str(result["exceptionDetails"]))
        return result["result"].get("value")

    def wait(self, expression):
        deadline = time.monotonic() + LIMIT_S
        while not self.eval(expression):
            if time.monotonic() > deadline:
                raise TimeoutError(expression)
            time.sleep(0.05)

    def mouse(self, kind, x, y):
        button = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def middle(self, selector):
        return self.eval("(() => { const e = document.querySelector(%s); e.scrollIntoView({block: 'center'});"
                         "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
                         % json.dumps(selector))

    def hover(self, selector):
        self.mouse("mouseMoved", *self.middle(selector))

    def click(self, selector):
        x, y = self.middle(selector)
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y)
        self.mouse("mouseReleased", x, y)

    def key(self, key, text=None):
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, text):
        self.call("Input.insertText", text=text)
