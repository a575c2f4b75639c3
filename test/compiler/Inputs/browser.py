"""A headless browser with a report in it, for tests."""
import shutil
import time
from contextlib import contextmanager

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys  # noqa: F401  for those who import this

FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1500,1000", "--disable-background-networking")


class Page:
    """What a test does with a report."""

    def __init__(self, driver):
        self.driver = driver

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def until(self, what, seconds=20):
        """Wait until a JavaScript expression is true; its value."""
        end = time.monotonic() + seconds
        while not (value := self.script(f"return {what}")):
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {what}")
            time.sleep(0.02)
        return value

    def click(self, selector):
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def text(self, selector):
        return self.script("return document.querySelector(arguments[0]).innerText", selector)

    def enter(self, selector, value):
        """Choose a value of an input as a user would who then leaves it."""
        self.script("const e = document.querySelector(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input')); "
                    "e.dispatchEvent(new Event('change'))", selector, value)

    def row(self, selector, number=0):
        """Texts of the cells of a table's row."""
        return self.script("return [...document.querySelectorAll(arguments[0] + ' tbody tr')][arguments[1]].innerText.split('\\t').map((t) => t.trim())",
                           selector, number)

    def errors(self):
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@contextmanager
def opened(path):
    """A page with the report at `path`, once it is ready."""
    options = Options()
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        driver.get(f"file://{path}")
        page = Page(driver)
        page.until("document.body.dataset.ready === 'true'")
        yield page
    finally:
        driver.quit()
