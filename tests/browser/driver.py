"""Chromium through chromedriver's HTTP interface: no library needed, so no dependency either."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--force-device-scale-factor=1",
)
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that WebDriver gives to references
_local = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # chromedriver is on this machine


def find_browser() -> tuple[str, str] | None:
    """Return the paths of Chromium and of chromedriver, None where one is absent."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class BrowserError(AssertionError):
    """The browser, or a script in the page, said no."""


class Browser:
    """One Chromium window. `open` pages from disk, `run` scripts in them, press keys, look at pictures."""

    def __init__(self, folder: Path) -> None:
        found = find_browser()
        assert found is not None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._at = f"http://127.0.0.1:{port}"
        self._process = subprocess.Popen(
            [found[1], f"--port={port}", f"--log-path={folder / 'chromedriver.log'}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait_until_up()
        options = {"binary": found[0], "args": [*_ARGUMENTS, f"--user-data-dir={folder / 'profile'}"]}
        wanted = {
            "alwaysMatch": {
                "browserName": "chrome",
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            }
        }
        self._session = self._call("POST", "/session", {"capabilities": wanted})["sessionId"]

    def _wait_until_up(self) -> None:
        for _ in range(100):
            try:
                if self._call("GET", "/status")["ready"]:
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise BrowserError("chromedriver did not start within ten seconds.")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self._at + path, data=data, method=method, headers={"Content-Type": "application/json"}
        )
        try:
            with _local.open(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            said = json.load(error)["value"]
            raise BrowserError(f"{said.get('error')}: {said.get('message')}") from None

    def _ask(self, path: str, **body: Any) -> Any:
        return self._call("POST", f"/session/{self._session}{path}", body)

    def close(self) -> None:
        """End Chromium and chromedriver."""
        try:
            self._call("DELETE", f"/session/{self._session}")
        except (BrowserError, OSError):
            pass
        finally:
            self._process.terminate()
            self._process.wait(timeout=10)

    # ------------------------------------------------------------------ pages

    def cdp(self, command: str, **parameters: Any) -> Any:
        """Speak to Chromium's own protocol."""
        return self._ask("/goog/cdp/execute", cmd=command, params=parameters)

    def set_window(self, width: int, height: int, *, dark: bool = False, javascript: bool = True) -> None:
        """Choose the size of the window in CSS pixels, the theme, and whether scripts run."""
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.cdp("Emulation.setScriptExecutionDisabled", value=not javascript)

    def open(self, page: Path) -> None:
        """Open a page from disk, its logs emptied before."""
        self._ask("/url", url="about:blank")
        self.console()
        self.requests()
        self._ask("/url", url=page.resolve().as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a function body in the page and return what it returns; a promise is awaited."""
        return self._ask("/execute/sync", script=script, args=list(arguments))

    def wait_for(self, expression: str, seconds: float = 20) -> Any:
        """Wait until an expression is true in the page, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.run(f"return {expression}"):
                return value
            time.sleep(0.05)
        raise BrowserError(f"not true within {seconds} s: {expression}\n{self.console()}")

    def console(self) -> list[str]:
        """Return what the console said since it was asked last, warnings and errors only."""
        entries = self._ask("/se/log", type="browser")
        return [entry["message"] for entry in entries if entry["level"] in {"SEVERE", "WARNING"}]

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since this was asked last."""
        events = [json.loads(e["message"])["message"] for e in self._ask("/se/log", type="performance")]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def screenshot(self, path: Path, *, whole: bool = False, clip: dict[str, float] | None = None) -> Path:
        """Write a picture of the window, of the whole page, or of a part of the page."""
        if whole:
            size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16_000), "scale": 1}
        extra = {"captureBeyondViewport": True, "clip": clip} if clip else {}
        path.write_bytes(base64.b64decode(self.cdp("Page.captureScreenshot", format="png", **extra)["data"]))
        return path

    # ------------------------------------------------------------------ hands

    def find(self, selector: str) -> str:
        """Return a reference to the first element that matches."""
        return self._ask("/element", using="css selector", value=selector)[_ELEMENT]

    def type(self, selector: str, text: str) -> None:
        """Type into an element. Keys without a letter are WebDriver's code points, see `KEYS`."""
        self._ask(f"/element/{self.find(selector)}/value", text=text)

    def move(self, selector: str, x: float, y: float, *, click: bool = False, drag: Any = None) -> None:
        """Move the pointer to a point of an element, from its upper left; click, or drag by (dx, dy)."""
        box = self.run("return document.querySelector(arguments[0]).getBoundingClientRect()", selector)
        steps = [_to(box["x"] + x, box["y"] + y)]
        if click or drag:
            steps.append({"type": "pointerDown", "button": 0})
            if drag:
                steps.append(_to(box["x"] + x + drag[0], box["y"] + y + drag[1]))
            steps.append({"type": "pointerUp", "button": 0})
        pointer = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}
        self._ask("/actions", actions=[pointer])

    def wheel(self, selector: str, x: float, y: float, delta: int) -> None:
        """Turn the wheel over a point of an element."""
        box = self.run("return document.querySelector(arguments[0]).getBoundingClientRect()", selector)
        at = {"x": int(box["x"] + x), "y": int(box["y"] + y)}
        scroll = {"type": "scroll", **at, "deltaX": 0, "deltaY": delta, "duration": 0, "origin": "viewport"}
        self._ask("/actions", actions=[{"type": "wheel", "id": "wheel", "actions": [scroll]}])


def _to(x: float, y: float) -> dict[str, Any]:
    return {"type": "pointerMove", "duration": 50, "x": round(x), "y": round(y), "origin": "viewport"}


KEYS = {
    "enter": "\ue007",
    "escape": "\ue00c",
    "space": "\ue00d",
    "left": "\ue012",
    "up": "\ue013",
    "right": "\ue014",
    "down": "\ue015",
    "shift": "\ue008",
}
