"""What the JSON Schema says about one place in a document: its keys, its kinds, what it is."""

from typing import Any

from simulator.scenario_file.problems import Path

Json = dict[str, Any]


def known_keys(schema: Json, tree: Any, path: Path) -> tuple[str, ...]:
    """Keys a mapping at ``path`` may have; empty where any key may stand."""
    found: dict[str, None] = {}
    for leaf in _leaves_at(schema, tree, path):
        for key, wanted in leaf.get("properties", {}).items():
            if wanted is not False:
                found[key] = None
    return tuple(found)


def branch_kinds(schema: Json, tree: Any, path: Path) -> tuple[str, ...]:
    """Values of ``type`` or ``kind`` that tell the alternatives at ``path`` apart."""
    found = []
    for leaf in _leaves_at(schema, tree, path, chosen=False):
        properties = leaf.get("properties", {})
        kind = properties.get("type", properties.get("kind", {}))
        if "const" in kind:
            found.append(kind["const"])
    return tuple(found)


def what_belongs(schema: Json, tree: Any, path: Path) -> str:
    """The description of the value at ``path``, or its alternatives, or nothing."""
    for leaf in _leaves_at(schema, tree, path[:-1]):
        wanted = leaf.get("properties", {}).get(path[-1], {})
        if isinstance(wanted, dict):
            if "description" in wanted:
                return str(wanted["description"])
            if "enum" in wanted:
                return f"one of {', '.join(wanted['enum'])}"
            resolved = _leaves(schema, wanted)
            if resolved and "description" in resolved[0]:
                return str(resolved[0]["description"])
    return ""


def _leaves_at(schema: Json, tree: Any, path: Path, *, chosen: bool = True) -> list[Json]:
    """The alternatives for the value at ``path``; with ``chosen`` those its ``type`` picks."""
    leaves = _leaves(schema, schema)
    value = tree
    for place, step in enumerate(path, start=1):
        value = _step(value, step)
        found: list[Json] = []
        for leaf in leaves:
            if isinstance(step, int):
                below = leaf.get("items")
            else:
                below = leaf.get("properties", {}).get(step, leaf.get("additionalProperties"))
            if isinstance(below, dict):
                found += _leaves(schema, below)
        leaves = _picked(found, value) if chosen or place < len(path) else found
    return leaves


def _step(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _picked(leaves: list[Json], value: Any) -> list[Json]:
    if not isinstance(value, dict):
        return leaves
    kind = value.get("type", value.get("kind"))
    picked = []
    for leaf in leaves:
        properties = leaf.get("properties", {})
        named = properties.get("type", properties.get("kind", {})).get("const")
        if named is None or named == kind:
            picked.append(leaf)
    return picked


def _leaves(schema: Json, node: Json) -> list[Json]:
    """A schema without references and alternatives, as the list of its alternatives."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    alternatives = node.get("oneOf", node.get("anyOf")) if "properties" not in node else None
    if alternatives is None:
        return [node]
    return [leaf for branch in alternatives for leaf in _leaves(schema, branch)]


def is_whole_number(schema: Json, tree: Any, path: Path) -> bool:
    """Whether only whole numbers may stand at ``path``, where a number stands now."""
    kinds = {leaf.get("type") for leaf in _leaves_at(schema, tree, path)}
    return "integer" in kinds and "number" not in kinds
