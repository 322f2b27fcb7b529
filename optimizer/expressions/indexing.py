"""Sets and indices: `sum(price[p] * make[p] for p in products)` becomes plain arithmetic before anything is solved."""

import ast
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final

from optimizer.expressions.parse import ExpressionError

MOST_MEMBERS: Final = 1000
MOST_PARTS: Final = 20_000
"""Of an expression once its indices are written out."""
GATHERING: Final = ("sum", "min", "max")
Sets = Mapping[str, tuple[str, ...]]
Places = Mapping[str, str]
"""The member that each index stands for."""


def flat_name(name: str, members: tuple[str, ...]) -> str:
    """The name of a member of an indexed parameter or variable.

    >>> flat_name("rate", ("gear", "L1"))
    'rate[gear,L1]'
    """
    return f"{name}[{','.join(members)}]"


def members_of(index: Any, sets: Sets) -> list[tuple[str, ...]]:
    """All places of an index, a set's name or a list of them. Raises ExpressionError with what is wrong."""
    names = [index] if isinstance(index, str) else index
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise ExpressionError("`index` is the name of a set, or a list of such names.")
    for name in names:
        if name not in sets:
            raise ExpressionError(f"{name} is no set of this model.")
    count = 1
    for name in names:
        count *= len(sets[name])
    if count > MOST_MEMBERS:
        raise ExpressionError(f"it has {count} places; at most {MOST_MEMBERS} are taken.")
    return list(product(*(sets[name] for name in names)))


def places_of(loops: Any, sets: Sets) -> list[dict[str, str]]:
    """The places of a rule's `for`, e.g. `p in products` or `["p in products", "l in lines"]`."""
    texts = [loops] if isinstance(loops, str) else loops
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ExpressionError("`for` is text such as `p in products`, or a list of such texts.")
    chosen: list[tuple[str, tuple[str, ...]]] = []
    for text in texts:
        words = text.split()
        if len(words) != 3 or words[1] != "in" or not words[0].isidentifier() or words[2] not in sets:
            raise ExpressionError(f"`{text[:40]}` is not `index in set`; sets are {', '.join(sets) or 'none'}.")
        chosen.append((words[0], sets[words[2]]))
    count = 1
    for _, members in chosen:
        count *= len(members)
    if count > MOST_MEMBERS:
        raise ExpressionError(f"it has {count} places; at most {MOST_MEMBERS} are taken.")
    names = [name for name, _ in chosen]
    return [dict(zip(names, place, strict=True)) for place in product(*(members for _, members in chosen))]


def written_out(tree: ast.expr, *, sets: Sets, indexed: frozenset[str], place: Places) -> ast.expr:
    """An expression without indices: every `name[index]` a name of its own, every gathering over sets its terms.

    Args:
        tree: As parsed; unchecked.
        sets: Members by name.
        indexed: Names that take an index.
        place: What the indices of the rule stand for.

    Raises:
        ExpressionError: With what is wrong.
    """
    left = [MOST_PARTS]
    return _written(tree, sets, indexed, place, left, 0)


def _written(
    node: ast.expr, sets: Sets, indexed: frozenset[str], place: Places, left: list[int], depth: int
) -> ast.expr:
    left[0] -= 1
    if left[0] < 0:
        raise ExpressionError(f"written out it has more than {MOST_PARTS} parts.")
    if depth > 100:
        raise ExpressionError("it is nested more than 100 deep.")

    def inner(child: ast.expr) -> ast.expr:
        return _written(child, sets, indexed, place, left, depth + 1)

    match node:
        case ast.Subscript(value=ast.Name(id=name), slice=index):
            if name not in indexed:
                raise ExpressionError(f"{name} takes no index.")
            parts = index.elts if isinstance(index, ast.Tuple) else [index]
            return ast.Name(id=flat_name(name, tuple(_member(part, place) for part in parts)))
        case ast.Name(id=name) if name in indexed:
            raise ExpressionError(f"{name} needs an index, such as {name}[...].")
        case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as loop], keywords=[]) if name in GATHERING:
            terms = [
                _written(loop.elt, sets, indexed, here, left, depth + 1)
                for here in _loop(list(loop.generators), sets, place)
            ]
            if not terms:
                if name != "sum":
                    raise ExpressionError(f"{name} over nothing.")
                return ast.Constant(value=0)
            return terms[0] if len(terms) == 1 else ast.Call(func=ast.Name(id=name), args=terms, keywords=[])
        case ast.UnaryOp(op=op, operand=operand):
            return ast.UnaryOp(op=op, operand=inner(operand))
        case ast.BinOp(left=a, op=operation, right=b):
            return ast.BinOp(left=inner(a), op=operation, right=inner(b))
        case ast.Compare(left=a, ops=[comparison], comparators=[b]):
            return ast.Compare(left=inner(a), ops=[comparison], comparators=[inner(b)])
        case ast.IfExp(test=test, body=body, orelse=other):
            return ast.IfExp(test=inner(test), body=inner(body), orelse=inner(other))
        case ast.Call(func=ast.Name() as function, args=arguments, keywords=[]):
            return ast.Call(func=function, args=[inner(argument) for argument in arguments], keywords=[])
    return node


def _loop(generators: list[ast.comprehension], sets: Sets, place: Places) -> Iterator[Places]:
    if not generators:
        yield place
        return
    first, *rest = generators
    match first:
        case ast.comprehension(target=ast.Name(id=index), iter=ast.Name(id=over), is_async=0) if over in sets:
            for member in sets[over]:
                here = {**place, index: member}
                if all(_holds(condition, here) for condition in first.ifs):
                    yield from _loop(rest, sets, here)
        case _:
            raise ExpressionError(f"`{ast.unparse(first)[:40].strip()}` is not `for index in set`.")


def _holds(condition: ast.expr, place: Places) -> bool:
    match condition:
        case ast.Compare(left=a, ops=[ast.Eq() | ast.NotEq() as comparison], comparators=[b]):
            same = _member(a, place) == _member(b, place)
            return same if isinstance(comparison, ast.Eq) else not same
    raise ExpressionError(f"`{ast.unparse(condition)[:40]}` is not a comparison of indices by == or !=.")


def _member(node: ast.expr, place: Places) -> str:
    match node:
        case ast.Name(id=index) if index in place:
            return place[index]
        case ast.Constant(value=str() as member):
            return member
    raise ExpressionError(f"`{ast.unparse(node)[:40]}` is no index here; name one of `for`, or a member in quotes.")
