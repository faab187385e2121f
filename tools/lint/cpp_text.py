"""Just enough C++ lexing for the checks beside this file: no preprocessing, no types."""
import re

# Longest first; a raw string's delimiter must match itself. Comments and literals come before all
# else, so that what they contain is never taken for code.
_TOKEN = re.compile(
    r"""(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
      | (?P<raw>(?:u8|[uUL])?R"(?P<mark>[^()\s\\]{0,16})\(.*?\)(?P=mark)")
      | (?P<string>(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")
      | (?P<char>(?:u8|[uUL])?'(?:\\.|[^'\\\n])+')
      | (?P<number>\.?\d(?:[\w.]|'\w|[eEpP][+-])*)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<mark2>::|->|<<=|>>=|<=>|&&|\|\||[-+*/%^&|=!<>]=|\+\+|--)
      | (?P<other>\S)""",
    re.S | re.X)


class Token:
    """Its text (for every literal `""`), kind (word, literal, mark) and 1-based line."""
    __slots__ = ("text", "kind", "line")

    def __init__(self, text, kind, line):
        self.text, self.kind, self.line = text, kind, line

    def __repr__(self):
        return f"{self.text}@{self.line}"


def tokens_of(text):
    """The tokens of a file, without comments and preprocessor lines."""
    text = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda m: "\n" * m[0].count("\n"), text, flags=re.M)
    tokens, line, at = [], 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        kind = match.lastgroup if match.lastgroup != "mark" else "raw"
        if kind in ("raw", "string", "char"):
            tokens.append(Token('""', "literal", line))
        elif kind != "comment":
            tokens.append(Token(match[0], "word" if kind == "word" else "mark", line))
    return tokens


_CLOSERS = {"(": ")", "[": "]", "{": "}"}


def matching(tokens, opening):
    """The index of the bracket that closes the one at `opening`; the last token when none does."""
    open_text = tokens[opening].text
    depth = 0
    for at in range(opening, len(tokens)):
        if tokens[at].text == open_text:
            depth += 1
        elif tokens[at].text == _CLOSERS[open_text]:
            depth -= 1
            if depth == 0:
                return at
    return len(tokens) - 1


# What a `[` follows when it opens a subscript rather than a lambda.
_BEFORE_SUBSCRIPT = {")", "]"}
_WORDS_BEFORE_LAMBDA = {"return", "co_return", "co_await", "co_yield", "case", "else", "in"}


class Lambda:
    """Indexes of a lambda's captures `[…]` and of its body `{…}`."""
    __slots__ = ("captures", "captures_end", "body", "body_end")

    def __init__(self, captures, captures_end, body, body_end):
        self.captures, self.captures_end = captures, captures_end
        self.body, self.body_end = body, body_end


def lambda_at(tokens, at):
    """The lambda whose `[` is at index `at`, or None."""
    if tokens[at].text != "[":
        return None
    if at + 1 < len(tokens) and tokens[at + 1].text == "[":
        return None  # an attribute
    before = tokens[at - 1] if at else None
    if before and (before.text in _BEFORE_SUBSCRIPT or before.text == "[" or
                   before.kind == "literal" or
                   (before.kind == "word" and before.text not in _WORDS_BEFORE_LAMBDA)):
        return None
    end = matching(tokens, at)
    here = end + 1
    # Between captures and body: template and parameter lists, specifiers, the return type.
    while here < len(tokens) and tokens[here].text != "{":
        if tokens[here].text == "(":
            here = matching(tokens, here)
        elif tokens[here].text in (";", ")", "]", "}", "="):
            return None
        here += 1
    if here >= len(tokens):
        return None
    return Lambda(at, end, here, matching(tokens, here))
