"""Calls: functions by their name with checked options, and the tests after `is`.

There is nothing else that can be called: a value has no methods. What functions do is left to the
table `FUNCTIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import nodes as ast

from flowrunner.diagnostics import did_you_mean
from flowrunner.language.templates.compiler import Code, Compiler, Rule, Run, shielded
from flowrunner.language.templates.faults import TemplateFault, near_miss
from flowrunner.language.templates.functions import FUNCTIONS, INSTEAD, STATES, Function
from flowrunner.language.templates.lists import TESTS
from flowrunner.language.templates.meter import CALL
from flowrunner.language.templates.values import empty_fault, is_empty


def filter_(compiler: Compiler, part: ast.Filter) -> Code:
    """`value|name(options)`."""
    function = _function(compiler, part.name, part)
    assert part.node is not None, "only a filter block has nothing in front of it"
    return _apply(compiler, function, part, part.node, part.args)


def call(compiler: Compiler, part: ast.Call) -> Code:
    """`name(value, options)`, which is `value|name(options)` but for `first(a, b, …)`."""
    callee = part.node
    if not isinstance(callee, ast.Name):
        raise _method_fault(compiler, part)
    function = _function(compiler, callee.name, callee)
    if function.name == "first":
        return _first(compiler, part)
    if not part.args:
        raise compiler.fault("template-syntax", f"write `{function.form}`", callee, function.about)
    return _apply(compiler, function, part, part.args[0], part.args[1:])


def _function(compiler: Compiler, name: str, part: ast.Node) -> Function:
    """The function of a name. Raises template-syntax for names that are none."""
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    code = "template-unsafe" if name == "attr" or name.startswith("_") else "template-syntax"
    near = None if name in INSTEAD else did_you_mean(name, FUNCTIONS)
    fix = INSTEAD.get(name, "the functions are " + ", ".join(f"`{known}`" for known in FUNCTIONS))
    if near is not None:
        fix = f"write `{FUNCTIONS[near].form}`"
    meant = f": did you mean `{near}`?" if near else ""
    raise compiler.fault(code, f"there is no function `{name}`{meant}", part, fix)


def _method_fault(compiler: Compiler, part: ast.Call) -> TemplateFault:
    callee = part.node
    name = callee.attr if isinstance(callee, ast.Getattr) else ""
    fix = f"write `…|{name}`" if name in FUNCTIONS else INSTEAD.get(name)
    called = f": there is no `.{name}(…)`" if name else ""
    message = f"only functions can be called, by their name{called}"
    return compiler.fault("template-unsafe", message, callee, fix)


def _first(compiler: Compiler, part: ast.Call) -> Code:
    """`first(a, b, …)`: the first argument that is not empty."""
    if part.kwargs or part.dyn_args or part.dyn_kwargs or not part.args:
        raise compiler.fault("template-syntax", "write `first(a, b, …)`", part)
    with compiler.shield():
        codes = [shielded(compiler.expression(argument)) for argument in part.args]

    def first_value(run: Run) -> Any:
        value: Any = None
        for code in codes:
            value = code(run)
            if not is_empty(value):
                break
        return value

    return first_value


def _apply(
    compiler: Compiler,
    function: Function,
    part: ast.Filter | ast.Call,
    subject: ast.Expr,
    arguments: Sequence[ast.Expr],
) -> Code:
    """A function with its value and options; what it finds wrong gets a place and a name."""
    _check_options(compiler, function, part, arguments)
    guard = shielded if function.name == "default" else _as_it_is
    with compiler.shield(function.name == "default"):
        value = guard(compiler.expression(subject))
        positional = [guard(compiler.expression(argument)) for argument in arguments]
        keyword = {
            str(option.key): guard(compiler.expression(option.value)) for option in part.kwargs
        }
    run_it, place, name = function.run, compiler.placing(part), compiler.naming(subject)

    def applied(run: Run) -> Any:
        run.meter.spend(CALL)
        target = value(run)
        options = [code(run) for code in positional]
        named_options = {option: code(run) for option, code in keyword.items()}
        try:
            return run_it(run.meter, target, *options, **named_options)
        except TemplateFault as fault:
            if fault.code == "maybe-empty" and is_empty(target):
                fault = empty_fault(target, name())
            raise place(fault) from None

    return applied


def _as_it_is(code: Code) -> Code:
    return code


def _check_options(
    compiler: Compiler,
    function: Function,
    part: ast.Filter | ast.Call,
    arguments: Sequence[ast.Expr],
) -> None:
    """Whether the options of a call are those that the function has."""
    callee = part.node if isinstance(part, ast.Call) else part
    form = f"write `{function.form}`"
    if part.dyn_args is not None or part.dyn_kwargs is not None:
        raise compiler.fault("template-off", "`*` and `**` before options are off", callee, form)
    known = {option.name: option for option in function.options}
    places = [name for name, option in known.items() if option.kind != option.KEYWORD_ONLY]
    if len(arguments) > len(places):
        message = f"`{function.name}` has too many options"
        raise compiler.fault("template-syntax", message, callee, form)
    given = places[: len(arguments)]
    for name in (str(option.key) for option in part.kwargs):
        if name not in known or name in given:
            message = f"`{function.name}` has no option `{name}` here{near_miss(name, known)}"
            raise compiler.fault("template-syntax", message, callee, form)
        given.append(name)
    for name, option in known.items():
        if option.default is option.empty and name not in given:
            message = f"`{function.name}` needs `{name}`"
            raise compiler.fault("template-syntax", message, callee, form)


def test(compiler: Compiler, part: ast.Test) -> Code:
    if part.name in STATES:
        return _state(compiler, part)
    if part.name in {"true", "false"} and not part.args:
        wanted, value = part.name == "true", compiler.expression(part.node)
        return lambda run: value(run) is wanted
    if part.name not in TESTS:
        near = near_miss(part.name, [*STATES, *TESTS])
        fix = "write `x is defined`, `x is none`, or compare with `==`, `<`, `in`"
        message = f"there is no test `is {part.name}`{near}"
        raise compiler.fault("template-syntax", message, part, fix)
    if len(part.args) != 1 or part.kwargs or part.dyn_args or part.dyn_kwargs:
        raise compiler.fault("template-syntax", f"`is {part.name}` needs one value after it", part)
    operator, place = TESTS[part.name], compiler.placing(part)
    left, right = compiler.expression(part.node), compiler.expression(part.args[0])

    def tested(run: Run) -> bool:
        try:
            return bool(operator(run.meter, left(run), right(run)))
        except TemplateFault as fault:
            raise place(fault) from None

    return tested


def _state(compiler: Compiler, part: ast.Test) -> Code:
    """`is defined` and `is none`: whether a value is there; empty ones are no fault."""
    with compiler.shield():
        value = shielded(compiler.expression(part.node))
    wanted = part.name == "none"
    return lambda run: is_empty(value(run)) is wanted


CALLS: Mapping[type, Rule] = {ast.Filter: filter_, ast.Call: call, ast.Test: test}
