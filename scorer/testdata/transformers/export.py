"""Makes the small text classifiers of this directory: encoders with random weights, exported to ONNX as Hugging Face's are,
and the logits that PyTorch computes for the golden texts of ../../tokenizer/testdata, each text alone and without padding.

    /usr/bin/python3 export.py      (Debian's python3-torch and python3-onnx)
"""

import json
import pathlib

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

HERE = pathlib.Path(__file__).parent
TOKENIZERS = HERE.parent.parent / "tokenizer" / "testdata"
HIDDEN, HEADS, LAYERS, INNER, LENGTH = 16, 2, 2, 32, 24


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(HIDDEN, HIDDEN) for _ in range(4))
        self.inner, self.outer = nn.Linear(HIDDEN, INNER), nn.Linear(INNER, HIDDEN)
        self.norm1, self.norm2 = nn.LayerNorm(HIDDEN), nn.LayerNorm(HIDDEN)

    def forward(self, x, bias):
        def split(y):
            return y.reshape(y.shape[0], -1, HEADS, HIDDEN // HEADS).transpose(1, 2)

        weights = split(self.query(x)) @ split(self.key(x)).transpose(2, 3) / (HIDDEN // HEADS) ** 0.5 + bias
        y = (weights.softmax(-1) @ split(self.value(x))).transpose(1, 2).reshape(x.shape[0], -1, HIDDEN)
        x = self.norm1(x + self.out(y))
        return self.norm2(x + self.outer(nn.functional.gelu(self.inner(x))))


class Classifier(nn.Module):
    """An encoder in BERT's manner, or RoBERTa's, where positions are counted over all that is not padding."""

    def __init__(self, vocabulary, labels, types, padding):
        super().__init__()
        self.padding = padding
        self.tokens = nn.Embedding(vocabulary, HIDDEN)
        self.positions = nn.Embedding(LENGTH if padding is None else LENGTH + padding + 1, HIDDEN)
        self.types = nn.Embedding(2, HIDDEN) if types else None
        self.norm = nn.LayerNorm(HIDDEN)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.pool, self.head = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, labels)

    def forward(self, input_ids, attention_mask, token_type_ids=None):
        if self.padding is None:
            positions = torch.arange(input_ids.shape[1]).unsqueeze(0)
        else:
            present = input_ids.ne(self.padding).long()
            positions = torch.cumsum(present, 1) * present + self.padding
        x = self.tokens(input_ids) + self.positions(positions)
        if self.types is not None:
            x = x + self.types(token_type_ids)
        bias = (1.0 - attention_mask[:, None, None, :].float()) * -1e9
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x, bias)
        first = (attention_mask.cumsum(1).eq(1) & attention_mask.eq(1)).float().unsqueeze(-1)  # the first real token
        return self.head(torch.tanh(self.pool((x * first).sum(1))))


def export(model, types, path):
    ids = torch.tensor([[0, 5, 6, 2], [0, 7, 2, 1]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if types:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    axes = {name: {0: "batch", 1: "sequence"} for name in inputs} | {"logits": {0: "batch"}}
    torch.onnx.export(model, tuple(inputs.values()), path, input_names=list(inputs), output_names=["logits"],
                      dynamic_axes=axes, opset_version=14)
    graph = onnx.load(path)
    for node in graph.graph.node:
        node.ClearField("doc_string")
    onnx.save(graph, path)


def quantize(source, target):
    """Weights of matrix products in 8 bits, activations quantised as they come: what dynamic quantisation does."""
    model = onnx.load(source)
    weights = {w.name: w for w in model.graph.initializer}
    nodes, gone = [], set()
    for node in model.graph.node:
        if node.op_type != "MatMul" or node.input[1] not in weights:
            nodes.append(node)
            continue
        name, values = node.input[1], numpy_helper.to_array(weights[node.input[1]])
        scale = np.abs(values).max() / 127
        model.graph.initializer.extend([
            numpy_helper.from_array(np.round(values / scale).astype(np.int8), name + "_int8"),
            numpy_helper.from_array(np.float32(scale), name + "_scale"),
            numpy_helper.from_array(np.int8(0), name + "_zero")])
        gone.add(name)
        part = [node.output[0] + suffix for suffix in ("_q", "_s", "_z", "_i", "_f", "_m")]
        nodes += [
            helper.make_node("DynamicQuantizeLinear", [node.input[0]], part[:3]),
            helper.make_node("MatMulInteger", [part[0], name + "_int8", part[2], name + "_zero"], [part[3]]),
            helper.make_node("Cast", [part[3]], [part[4]], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [part[1], name + "_scale"], [part[5]]),
            helper.make_node("Mul", [part[4], part[5]], [node.output[0]])]
    kept = [w for w in model.graph.initializer if w.name not in gone]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept)
    onnx.checker.check_model(model)
    onnx.save(model, target)


KINDS = {
    "bert": dict(tokenizer="wordpiece", model_type="bert", types=True, padding=None, pad=0,
                 labels=["positive", "negative", "neutral"]),
    "roberta": dict(tokenizer="bytelevel", model_type="roberta", types=False, padding=1, pad=1,
                    labels=["LABEL_0", "LABEL_1", "LABEL_2"]),
    "xlm-roberta": dict(tokenizer="unigram", model_type="xlm-roberta", types=False, padding=1, pad=1,
                        labels=["Bullish", "Bearish"]),
}


def vocabulary(tokenizer):
    folder = TOKENIZERS / tokenizer
    if tokenizer == "wordpiece":
        return len((folder / "vocab.txt").read_text().splitlines())
    if tokenizer == "bytelevel":
        return len(json.loads((folder / "vocab.json").read_text()))
    return len(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"])


def main():
    golden = json.loads((TOKENIZERS / "variants" / "golden.json").read_text())
    logits = {}
    for seed, (name, kind) in enumerate(KINDS.items()):
        torch.manual_seed(seed)
        size = vocabulary(kind["tokenizer"])
        model = Classifier(size, len(kind["labels"]), kind["types"], kind["padding"]).eval()
        for parameter in model.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.4)
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        export(model, kind["types"], str(folder / "model.onnx"))
        positions = LENGTH if kind["padding"] is None else LENGTH + kind["padding"] + 1
        config = dict(model_type=kind["model_type"], id2label={str(i): label for i, label in enumerate(kind["labels"])},
                      label2id={label: i for i, label in enumerate(kind["labels"])}, max_position_embeddings=positions,
                      pad_token_id=kind["pad"], vocab_size=size)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        logits[name] = []
        for ids in golden["ids"][kind["tokenizer"]]:
            ids = torch.tensor([ids if len(ids) <= LENGTH else ids[:LENGTH - 1] + ids[-1:]])
            more = [torch.zeros_like(ids)] if kind["types"] else []
            with torch.no_grad():
                logits[name].append([round(x, 6) for x in model(ids, torch.ones_like(ids), *more)[0].tolist()])
    quantize(str(HERE / "bert" / "model.onnx"), str(HERE / "bert" / "model_quantized.onnx"))
    (HERE / "logits.json").write_text(json.dumps(logits) + "\n")


if __name__ == "__main__":
    main()
