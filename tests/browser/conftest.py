import pytest

from browser.driver import Browser, find_browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    if find_browser() is None:
        pytest.skip("chromium or chromedriver is not installed")
    window = Browser(tmp_path_factory.mktemp("chromium"))
    yield window
    window.close()
