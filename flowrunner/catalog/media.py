"""Which files the API takes as input, told by their first bytes and the ending of their names.

Opening and bounding files is left to whoever reads them.
"""

from __future__ import annotations

MAX_BYTES = 50 * 1024 * 1024
"""The most that the files of one request may be together (Responses API: file inputs, 50 MB)."""
HEAD_BYTES = 1024
"""So much of a file's beginning is enough to tell what it is."""

IMAGES: dict[str, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
}
"""The pictures that a model can look at, by ending (Responses API: `input_image`)."""

_REFUSED_IMAGES = frozenset(
    {"ai", "apng", "avif", "bmp", "eps", "heic", "heif", "ico", "jp2", "jxl", "pcx", "psd", "svg"}
    | {"svgz", "tga", "tif", "tiff", "wmf"}
)
_NEITHER = frozenset(
    {"7z", "bin", "bz2", "class", "db", "dll", "dmg", "exe", "gz", "iso", "jar", "pyc", "rar", "so"}
    | {"sqlite", "tar", "tgz", "wasm", "xz", "zip", "zst"}
    | {"aac", "aiff", "avi", "flac", "m4a", "mkv", "mov", "mp3", "mp4", "mpeg", "mpg", "ogg"}
    | {"wav", "webm", "wma", "wmv"}
)
_OPEN_XML = "application/vnd.openxmlformats-officedocument"
_ZIPPED: dict[str, str] = {
    "docx": f"{_OPEN_XML}.wordprocessingml.document",
    "pptx": f"{_OPEN_XML}.presentationml.presentation",
    "xlsx": f"{_OPEN_XML}.spreadsheetml.sheet",
    "odt": "application/vnd.oasis.opendocument.text",
}
_COMPOUND: dict[str, str] = {
    "doc": "application/msword",
    "ppt": "application/vnd.ms-powerpoint",
    "xls": "application/vnd.ms-excel",
}
_TEXTS: dict[str, str] = {
    "csv": "text/csv",
    "css": "text/css",
    "html": "text/html",
    "htm": "text/html",
    "json": "application/json",
    "md": "text/markdown",
    "rtf": "application/rtf",
    "tsv": "text/tab-separated-values",
    "xml": "text/xml",
}
_ZIP, _OLE, _PDF = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"%PDF-"
_KINDS = "PNG, JPEG, WebP and GIF pictures, PDF, text and office files"


class UnfitFile(ValueError):
    """A file that the API does not take. The message ends a sentence: "`a.svg` is a picture …"."""


def ending_of(name: str) -> str:
    """The ending of a file's name in small letters without the dot, or nothing."""
    stem, dot, ending = name.rpartition(".")
    return ending.lower() if dot and stem and not stem.endswith(("/", "\\")) else ""


def check_ending(name: str) -> None:
    """Raises UnfitFile where the name alone says that the API does not take the file."""
    ending = ending_of(name)
    if ending in _REFUSED_IMAGES:
        raise UnfitFile(
            f"is a picture in a format that models cannot look at (`.{ending}`): save it as PNG or "
            "JPEG"
        )
    if ending in _NEITHER:
        raise UnfitFile(f"is no file that the API takes (`.{ending}`): it takes {_KINDS}")


def is_image(media_type: str) -> bool:
    """Whether a file of this type is sent as a picture."""
    return media_type in IMAGES.values()


def is_text(media_type: str) -> bool:
    """Whether a file of this type is sent as the text that it is, not packed in some format."""
    return media_type == "text/plain" or media_type in _TEXTS.values()


def media_type(name: str, head: bytes) -> str:
    """The media type of a file by its first bytes (`HEAD_BYTES` of them), else by its name.

    Raises UnfitFile for what the API does not take, and where name and content are at odds.
    """
    check_ending(name)
    ending = ending_of(name)
    found = picture_type(head)
    if head.startswith(_PDF) or (ending == "pdf" and _PDF in head):
        found = "application/pdf"
    if found is not None:
        return found
    if ending in IMAGES or ending == "pdf":
        raise UnfitFile(f"is called `.{ending}`, but holds something else")
    for types, sign in ((_ZIPPED, _ZIP), (_COMPOUND, _OLE)):
        if ending in types:
            if not head.startswith(sign):
                raise UnfitFile(f"is called `.{ending}`, but holds something else")
            return types[ending]
    if not _is_utf8(head):
        raise UnfitFile(f"is neither text in UTF-8 nor a file that the API takes: {_KINDS}")
    return _TEXTS.get(ending, "text/plain")


def media_type_by_name(name: str) -> str:
    """The media type that a file's name promises; plain text where it promises nothing."""
    ending = ending_of(name)
    if ending == "pdf":
        return "application/pdf"
    return {**IMAGES, **_ZIPPED, **_COMPOUND, **_TEXTS}.get(ending, "text/plain")


def picture_type(head: bytes) -> str | None:
    """The media type of a picture that models can look at, by its first bytes, or None."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None


def _is_utf8(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        # The last letter may have been cut in two.
        return len(head) == HEAD_BYTES and fault.start >= len(head) - 3
    return True
