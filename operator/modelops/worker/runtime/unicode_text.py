"""Text that UTF-8 cannot hold. Pure."""


def is_utf8(text: str) -> bool:
    """Return False if `text` has a lone surrogate.

    Python decodes file names that are not UTF-8 to surrogates, and JSON can hold half of a surrogate pair. Neither can
    be written to a report or to S3.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
