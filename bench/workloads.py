"""The workloads that the races run: one file of real queries and passages, at three lengths and in three shapes of call."""
import json

# Words of a passage. With a query's ten words and a model's template they make about 40, 300 and 2,000 tokens a pair.
LENGTHS = {"short": 16, "scifact": None, "long": 1400}
# Queries, and passages of each: a call for the passages of one query, many of them, and calls for one pair.
SHAPES = {"rank": (1, 100), "many": (5, 20), "pair": (20, 1)}


def cut(passages, length):
    """The passages at one of LENGTHS: their first words, as they are, or with the passages behind them until it is reached."""
    words = LENGTHS[length]
    if words is None:
        return passages
    made = []
    for first in range(len(passages)):
        text = []
        for passage in passages[first:] + passages[:first]:
            text += passage.split()
            if len(text) >= words or length == "short":
                break
        made.append(" ".join(text[:words]))
    return made


def make(source, target, length, queries, passages):
    """Writes the first `queries` rows of `source` with their first `passages` passages (0: all), cut to `length`, to
    `target`: {"query", "passages"} a line. Queries beyond those of the source come again with later passages."""
    rows = [json.loads(line) for line in source.open(encoding="utf-8")]
    with target.open("w", encoding="utf-8") as file:
        for i in range(queries):
            row, turn = rows[i % len(rows)], i // len(rows)
            count = passages or len(row["passages"])
            texts = row["passages"][turn * count :] + row["passages"][: turn * count]
            file.write(json.dumps({"query": row["query"], "passages": cut(texts, length)[:count]}) + "\n")
