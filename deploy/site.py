"""What makes the repository's pages a site: the README is its first page, and a link that leads out
of `docs` becomes the name of what it leads to, after a look whether it is there."""
import posixpath
import re
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\[([^\]\[]*)\]\(([^)\s]+)\)")


def inside(text, folder):
    """The text of a page that lies in `folder`, seen from the repository's root."""

    def turned(link):
        words, target = link.groups()
        if "://" in target or target.startswith("#"):
            return link.group(0)
        path, _, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(folder, path))
        if not (ROOT / path).exists():
            raise PluginError(f"{folder}: {target} is not there")
        is_page = path.startswith("docs/") and path.endswith(".md")
        if folder == "" and is_page:
            return f"[{words}]({path.removeprefix('docs/')}{'#' + anchor if anchor else ''})"
        return link.group(0) if is_page else f"{words} (`{path}`)"

    return LINK.sub(turned, text)


def on_files(files, config):
    text = inside((ROOT / "README.md").read_text(), "")
    files.append(File.generated(config, "index.md", content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    if page.file.src_uri == "index.md":
        return markdown
    return inside(markdown, posixpath.join("docs", posixpath.dirname(page.file.src_uri)))
