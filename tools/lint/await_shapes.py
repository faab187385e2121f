#!/usr/bin/env python3
"""Holds co_await to the three shapes that every compiler gets right and that read best:

    auto x = co_await f(...);        (also a type, a structured binding, or `x = co_await f(...);`)
    co_await f(...);
    co_return co_await f(...);

with f(...) one call, whose arguments hold no braced aggregate (a duration such as Millis{5} is none).
So never in a condition, a ternary, an initialiser list or an argument.
In place of the call there may be Asio's this_coro::executor or this_coro::cancellation_state. And no
capturing lambda is a coroutine: its captures die with the lambda, while the coroutine goes on.

Reads file names from stdin, NUL-separated.
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from cpp_text import lambda_at, matching, tokens_of  # noqa: E402

SHAPES = "`auto x = co_await f(...);`, `co_await f(...);` or `co_return co_await f(...);`"
STATEMENT_STARTS = {";", "{", "}"}
# Over the texts of tokens, with a space between. What is none: `return x`, `.x`, `f(x`, `a ? x`.
_NAME = r"(?!(?:return|co_return|co_yield|throw) )[A-Za-z_]\w*"
_TYPE = rf"(?:const )?(?:(?:::) )?{_NAME}(?: :: {_NAME}| <(?: [^;{{}}()?=]+?)? >)*(?: const)?(?: &&| &| \*)?(?: const)?"
LEFT_SIDE = re.compile(
    rf"{_TYPE} {_NAME}"
    rf"|(?:const )?auto(?: const)?(?: &&| &)? \[ {_NAME}(?: , {_NAME})* \]"
    rf"|{_NAME}(?: (?:\.|->|::) {_NAME}| \[ [\w.>-]+(?: [\w.>-]+)* \])*")
# base/time.h
DURATIONS = {"Nanos", "Micros", "Millis", "seconds", "milliseconds", "microseconds", "nanoseconds"}


def starts_assignment(tokens, at):
    """Whether tokens[..at] end in `; x =` or `; T x =`, so that the value of one follows."""
    if at < 2 or tokens[at - 1].text != "=":
        return False
    first = at - 1
    while first > 0 and not starts_statement(tokens, first):
        first -= 1
    left = " ".join(token.text for token in tokens[first:at - 1])
    return LEFT_SIDE.fullmatch(left) is not None


def starts_statement(tokens, at):
    before = tokens[at - 1].text if at else ";"
    # `case x:` and labels; `a ? b : co_await` never passes, since the end of its statement decides
    # nothing: a colon is accepted only after a label.
    if before == ":":
        return is_label(tokens, at - 1)
    return before in STATEMENT_STARTS or before in ("else", "do") or closes_header(tokens, at - 1)


def is_label(tokens, colon):
    here = colon - 1
    while here >= 0 and tokens[here].text not in STATEMENT_STARTS and tokens[here].text != "?":
        if tokens[here].text in ("case", "default"):
            return True
        here -= 1
    return False


def closes_header(tokens, at):
    """Whether the `)` at `at` ends the head of an if, for or while, so that a statement follows."""
    if tokens[at].text != ")":
        return False
    depth = 0
    for here in range(at, -1, -1):
        if tokens[here].text == ")":
            depth += 1
        elif tokens[here].text == "(":
            depth -= 1
            if depth == 0:
                return here > 0 and tokens[here - 1].text in ("if", "for", "while", "constexpr")
    return False


def end_of_call(tokens, at):
    """The index behind the postfix expression `a::b<c>.d(...)...` or `(*a)->b(...)` at `at`; None
    for anything else, or when its last part is no call."""
    here, called = at, False
    if here < len(tokens) and tokens[here].text == "::":
        here += 1
    if [token.text for token in tokens[here:here + 2]] == ["(", "*"]:
        here = matching(tokens, here)
    elif here >= len(tokens) or tokens[here].kind != "word":
        return None
    here += 1
    while here < len(tokens):
        text = tokens[here].text
        if text in ("::", ".", "->") or tokens[here].kind == "word":
            called = tokens[here - 2].text == "this_coro"
            here += 1
        elif text == "(":
            called = True
            here = matching(tokens, here) + 1
        elif text == "[":
            called = False
            here = matching(tokens, here) + 1
        elif text == "<":
            here = end_of_template_arguments(tokens, here)
            if here is None:
                return None
        else:
            break
    return here if called else None


def end_of_template_arguments(tokens, at):
    depth = 0
    for here in range(at, len(tokens)):
        text = tokens[here].text
        if text == "<":
            depth += 1
        elif text == ">":
            depth -= 1
            if depth == 0:
                return here + 1
        elif text in (";", "{"):
            return None
    return None


def aggregate_in(tokens, start, end):
    """The first braced aggregate between two indexes, lambda bodies apart; None without one."""
    at = start
    while at < end:
        found = lambda_at(tokens, at)
        if found:
            at = found.body_end + 1
        elif tokens[at].text == "{" and tokens[at - 1].text not in DURATIONS:
            return tokens[at]
        else:
            at += 1
    return None


def check_awaits(tokens):
    for at, token in enumerate(tokens):
        if token.text != "co_await":
            continue
        before = tokens[at - 1] if at else None
        first = at - 1 if before and before.text == "co_return" else at
        if not (starts_statement(tokens, first) or starts_assignment(tokens, at)):
            yield token.line, f"co_await inside another expression; use {SHAPES}"
            continue
        end = end_of_call(tokens, at + 1)
        if end is None or end >= len(tokens) or tokens[end].text != ";":
            yield token.line, f"co_await of something other than one call; use {SHAPES}"
            continue
        aggregate = aggregate_in(tokens, at + 1, end)
        if aggregate:
            yield aggregate.line, "an aggregate in the arguments of co_await; name it first, then move it in"


def local_class_bodies(tokens):
    """(opening, closing) of each `struct x {…}`: what its functions await is not a lambda's."""
    for at, token in enumerate(tokens):
        if token.text not in ("struct", "class"):
            continue
        here = at + 1
        while here < len(tokens) and (tokens[here].kind == "word" or tokens[here].text in (":", "::", ",")):
            here += 1
        if here < len(tokens) and tokens[here].text == "{":
            yield here, matching(tokens, here)


def check_lambdas(tokens):
    lambdas = [found for at in range(len(tokens)) if (found := lambda_at(tokens, at))]
    classes = list(local_class_bodies(tokens))
    for outer in lambdas:
        if outer.captures_end == outer.captures + 1:
            continue
        inner = [(x.body, x.body_end) for x in lambdas if outer.body < x.captures < outer.body_end]
        inner += [x for x in classes if outer.body < x[0] < outer.body_end]
        for at in range(outer.body, outer.body_end):
            if tokens[at].text in ("co_await", "co_return", "co_yield") and not any(
                    first < at < last for first, last in inner):
                yield tokens[outer.captures].line, (
                    "a capturing lambda is a coroutine; make it a function with parameters")
                break


def check(text):
    """(line, problem) for each, in the order of lines."""
    tokens = tokens_of(text)
    return sorted([*check_awaits(tokens), *check_lambdas(tokens)])


def main():
    problems = 0
    for name in filter(None, sys.stdin.read().split("\0")):
        for line, problem in check(pathlib.Path(name).read_text()):
            print(f"{name}:{line}: {problem}")
            problems += 1
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
