"""Runs the code of a notebook from top to bottom, as Jupyter would, without Jupyter: run.py NOTEBOOK. Prints what the cells' last lines are."""

import ast
import json
import sys

import matplotlib
import pandas

matplotlib.use("Agg")
pandas.set_option("display.max_columns", None, "display.width", 250)
with open(sys.argv[1], encoding="utf-8") as file:
    cells = [cell for cell in json.load(file)["cells"] if cell["cell_type"] == "code"]
names = {}
for number, cell in enumerate(cells, 1):
    body = ast.parse("".join(cell["source"]), f"cell {number}").body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), f"cell {number}", "exec"), names)
    if last is not None:
        print(eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names))
