"""Takes the README's pictures of the report: the real page, in headless Chromium.

In: the report of `make demo`.  Out: docs/images/report-*.png.

    make demo && python docs/screenshots.py build/demo/report.html docs/images
"""
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "test" / "compiler" / "Inputs"))
from browser import Page, opened

MODULE = "model.language_model.layers.1.mlp"


def passes(page: Page) -> None:
    """What insert-concentration does to an MLP."""
    page.script("[...document.querySelectorAll('#pass-list button')].find((b) => b.innerText === 'insert-concentration').click()")
    page.enter("#module", MODULE)
    page.click("#view-diff")


def timeline(page: Page) -> None:
    """The longest wait of the array."""
    page.click("#longest tbody button")
    for _ in range(3):
        page.click("#zoom-wider")
    page.script("window.scrollTo(0, 0)")


def cost(page: Page) -> None:
    page.click("#cost-title")


def tokens(page: Page) -> None:
    """A token of frame 4 after layer 2, and whose vectors stand for its own."""
    page.enter("#layer", "2")
    page.script("const s = document.querySelector('#site'); s.value = 'q_proj'; s.dispatchEvent(new Event('change'))")


def main(report: str, folder: str) -> None:
    with opened(Path(report).resolve()) as page:
        page.driver.set_window_size(1400, 900)
        for name, act in (("passes", passes), ("time", timeline), ("cost", cost), ("tokens", tokens)):
            page.click(f"#tab-{name}")
            time.sleep(0.5)
            act(page)
            time.sleep(1)
            page.driver.save_screenshot(f"{folder}/report-{name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
