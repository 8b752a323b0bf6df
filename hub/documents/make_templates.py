"""Makes the Word templates of the digest and of 要情快报: `python -m hub.documents.make_templates`. Run after altering the layout.

The layout follows the usual official one (A4; margins 37/35/28/26 mm; red issuer and rule; title 22 pt, text 16 pt at 28 pt spacing:
GB/T 9704-2012, clauses 5 to 7). A district may put its own files in the place of the made ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("templates")


def _document() -> Any:
    from docx import Document
    from docx.oxml.ns import qn
    from docx.shared import Mm, Pt

    document = Document()
    page = document.sections[0]
    page.page_width, page.page_height = Mm(210), Mm(297)
    page.top_margin, page.bottom_margin, page.left_margin, page.right_margin = Mm(37), Mm(35), Mm(28), Mm(26)
    style = document.styles["Normal"]
    style.font.name, style.font.size = "FangSong", Pt(16)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), "仿宋")
    style.paragraph_format.line_spacing = Pt(28)
    style.paragraph_format.space_after = Pt(0)
    return document


def _line(document: Any, text: str, *, size: float = 16, font: str = "仿宋", bold: bool = False, red: bool = False, centre: bool = False,
          indent: bool = True, right: bool = False) -> Any:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml.ns import qn
    from docx.shared import Pt, RGBColor

    paragraph = document.add_paragraph()
    run = paragraph.add_run(text)
    run.font.size, run.bold, run.font.name = Pt(size), bold, font
    run._element.rPr.rFonts.set(qn("w:eastAsia"), font)
    if red:
        run.font.color.rgb = RGBColor(0xC0, 0x00, 0x00)
    if centre or right:
        paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER if centre else WD_ALIGN_PARAGRAPH.RIGHT
    elif indent:
        paragraph.paragraph_format.first_line_indent = Pt(2 * size)
    return paragraph


def _rule(document: Any) -> None:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    paragraph = document.add_paragraph()
    borders = OxmlElement("w:pBdr")
    bottom = OxmlElement("w:bottom")
    for name, value in (("val", "single"), ("sz", "18"), ("space", "1"), ("color", "C00000")):
        bottom.set(qn(f"w:{name}"), value)
    borders.append(bottom)
    paragraph._p.get_or_add_pPr().append(borders)


def _head(document: Any, name: str) -> None:
    _line(document, name, size=36, font="方正小标宋简体", red=True, centre=True)
    _line(document, "{{ number }}", centre=True)
    _line(document, "{{ issuer }}　　　　　　{{ date }}", indent=False, centre=True)
    _rule(document)


def digest() -> Any:
    """The template of the daily digest: who is missing is the first line of the text."""
    document = _document()
    _line(document, "{{ first_line }}", bold=True, indent=False)
    _head(document, "{{ heading }}")
    _line(document, "{{ title }}", size=22, font="方正小标宋简体", centre=True)
    _line(document, "{%p for s in sections %}")
    _line(document, "{{ s.title }}", font="黑体")
    _line(document, "{%p for text in s.paragraphs %}")
    _line(document, "{{ text }}")
    _line(document, "{%p endfor %}")
    _line(document, "{%p endfor %}")
    _line(document, "{{ signature }}", right=True)
    _line(document, "{{ signed_at }}", right=True)
    table = document.add_table(rows=4, cols=3)
    table.style = "Table Grid"
    for cell, text in zip(table.rows[0].cells, ("单位", "报送情况", "备注"), strict=True):
        cell.text = text
    table.rows[1].cells[0].text = "{%tr for r in rows %}"
    for cell, text in zip(table.rows[2].cells, ("{{ r.name }}", "{{ r.standing }}", "{{ r.note }}"), strict=True):
        cell.text = text
    table.rows[3].cells[0].text = "{%tr endfor %}"
    return document


def bulletin() -> Any:
    """The template of 要情快报."""
    document = _document()
    _head(document, "{{ heading }}")
    _line(document, "{{ title }}", size=22, font="方正小标宋简体", centre=True)
    _line(document, "{{ drill }}", centre=True, bold=True)
    _line(document, "{%p for s in sections %}")
    _line(document, "{{ s.title }}", font="黑体")
    _line(document, "{%p for text in s.paragraphs %}")
    _line(document, "{{ text }}")
    _line(document, "{%p endfor %}")
    _line(document, "{%p endfor %}")
    _line(document, "{{ issuer }}", right=True)
    _line(document, "{{ made_at }}", right=True)
    return document


def main() -> None:
    """Write both templates."""
    FOLDER.mkdir(exist_ok=True)
    digest().save(FOLDER / "digest.docx")
    bulletin().save(FOLDER / "bulletin.docx")


if __name__ == "__main__":
    main()
