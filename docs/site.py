"""Hooks of the build of docs/ (mkdocs.yml)."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s#]+)(#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page, config, files) -> str:
    """Turn links to files outside of docs/ into text: these files are not pages."""
    here = Path(page.file.abs_src_path).parent
    inside = Path(config["docs_dir"]).resolve()

    def shown(found: re.Match[str]) -> str:
        target = (here / found[2]).resolve()
        if target.is_relative_to(inside) and target.is_file():
            return found[0]
        text, place = found[1].strip("`"), str(target.relative_to(ROOT))
        return f"`{place}`" if text == place or text == target.name else f"{found[1]} (`{place}`)"

    return LINK.sub(shown, markdown)
