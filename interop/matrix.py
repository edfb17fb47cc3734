"""The tables of README.md, from what passed in a run of everything."""

from clients import CLIENTS, WAYS

BEGIN, END = "<!-- written by run.py --write-matrix -->", "<!-- up to here -->"
COLUMNS = [name for name, client in CLIENTS.items() if client.package]
OF_EXAMPLES = {"clusters": "its example of docs/clusters.md",
               "prepared": "its example of docs/prepared.md"}
# The row, out of the names that examples have in their own suites.
EXAMPLE_OF = {"ruby": "bunny", "php": "php_amqplib"}


class Results:
    """`passed` has (client, way, check) for each check that passed, `skipped` a client's reason."""

    def __init__(self):
        self.passed, self.skipped = [], {}


def write(path, results):
    with open(path) as file:
        before, rest = file.read().split(BEGIN + "\n")
    after = rest.split(END + "\n")[1]
    lines = [*clients_table(results), "", *checks_table(results.passed)]
    with open(path, "w") as file:
        file.write(before + "\n".join([BEGIN, *lines, END, ""]) + after)


def clients_table(results):
    yield "| client | version | how it is had | language | plain | TLS | TLS both ways |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name in COLUMNS:
        client = CLIENTS[name]
        version = "" if name in results.skipped else client.version()
        yield row(client.title, version, f"{client.source} `{client.package}`", client.language,
                  *(outcome(results, name, way) for way in WAYS))


def outcome(results, name, way):
    if way not in CLIENTS[name].ways:
        return ""
    if name in results.skipped:
        return f"skipped: {results.skipped[name]}"
    return f"{sum(1 for who, where, _ in results.passed if (who, where) == (name, way))} passed"


def checks_table(passed):
    yield row("check", *(CLIENTS[name].title for name in COLUMNS))
    yield row("---", *("---" for _ in COLUMNS))
    cells = {}
    for name, _, check in passed:
        cells.setdefault(check_of(name, check), set()).update(clients_of(name, check))
    for check, clients in sorted(cells.items(), key=lambda cell: -len(cell[1])):
        if clients:
            yield row(check, *("x" if name in clients else "" for name in COLUMNS))


def check_of(name, check):
    return OF_EXAMPLES.get(name) or check.replace("_", " ")


def clients_of(name, check):
    """Whose check it is: an example names its client at the end of its name."""
    if name not in OF_EXAMPLES:
        return [name]
    example = check.split("[")[-1].rstrip("]") if "[" in check else check.split("_by_")[-1]
    client = EXAMPLE_OF.get(example, example)
    return [client] if client in COLUMNS else []


def row(*cells):
    return "| " + " | ".join(cells) + " |"
