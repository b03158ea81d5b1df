"""Forward and backward passes on several processes of one thread each. They read the same weights in shared memory, and each
takes a part of a step's lists: nearly as fast as there are cores, where threads within one product of this size are not.

The parts, and the order in which gradients are added up, depend on the number of processes alone, so a run repeats.
"""
import numpy as np
import torch
import torch.multiprocessing

import data
import network


def parts(sizes, count):
    """Numbers of the entries of each part, with about the same sum of sizes."""
    out, sums = [[] for _ in range(count)], [0] * count
    for k in sorted(range(len(sizes)), key=lambda k: -sizes[k]):
        least = sums.index(min(sums))
        out[least].append(k)
        sums[least] += sizes[k]
    return [sorted(part) for part in out if part]


def gradients(model, batch, max_length, settings):
    """Adds to the gradients of the lists' summed loss. Returns that sum, and how many lists have their positive first."""
    pairs = [(query, passage) for query, passages, _ in batch for passage in passages]
    scores = network.forward(model, pairs, max_length, settings["group_tokens"]).view(len(batch), -1)
    loss = network.list_loss(scores, torch.from_numpy(np.stack([entry[2] for entry in batch])), settings)
    loss.backward()
    return float(loss.detach()), int((scores.argmax(-1) == 0).sum())


def score(model, pairs, max_length, settings):
    with torch.inference_mode():
        return network.forward(model, pairs, max_length, settings["group_tokens"]).numpy()


def serve(model, shared, settings, pipe):
    """The work of one process other than the first, until the pipe closes."""
    torch.set_num_threads(1)
    network.register_attention()
    named = dict(model.named_parameters())
    while True:
        try:
            call, *values = pipe.recv()
        except EOFError:
            return
        if call == "score":
            pipe.send(score(model, *values, settings))
            continue
        for name in shared:
            named[name].grad = None
        result = gradients(model, *values, settings)
        for name, tensor in shared.items():
            tensor.copy_(named[name].grad)
        pipe.send(result)


class Workers:
    """count processes, this one among them. The model's weights move to shared memory."""

    def __init__(self, model, settings, count):
        self.model, self.settings = model.share_memory(), settings
        self.trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.others, self.processes = [], []
        context = torch.multiprocessing.get_context("spawn")
        for _ in range(count - 1):
            shared = {name: torch.zeros_like(p).share_memory_() for name, p in self.trained.items()}
            mine, theirs = context.Pipe()
            process = context.Process(target=serve, args=(model, shared, settings, theirs), daemon=True)
            process.start()
            theirs.close()
            self.others.append((mine, shared))
            self.processes.append(process)

    def close(self):
        for pipe, _ in self.others:
            pipe.close()
        for process in self.processes:
            process.join()

    def spread(self, call, entries, sizes, max_length):
        """Gives the other processes their parts. Returns their pipes and shared gradients, and all parts, this one's first."""
        split = parts(sizes, 1 + len(self.others))
        for (pipe, _), part in zip(self.others, split[1:]):
            pipe.send((call, [entries[k] for k in part], max_length))
        return self.others[:len(split) - 1], split

    def gradients(self, batch, max_length):
        """float32 gradients of the mean loss by name, that loss, and the share of lists with their positive first."""
        sizes = [data.list_length(query, passages, max_length) for query, passages, _ in batch]
        others, split = self.spread("gradients", batch, sizes, max_length)
        for p in self.trained.values():
            p.grad = None
        loss, hits = gradients(self.model, [batch[k] for k in split[0]], max_length, self.settings)
        total = {name: p.grad.float() for name, p in self.trained.items()}
        for pipe, shared in others:
            more = pipe.recv()
            loss, hits = loss + more[0], hits + more[1]
            for name, tensor in shared.items():
                total[name] += tensor
        for tensor in total.values():
            tensor /= len(batch)
        return total, loss / len(batch), hits / len(batch)

    def score(self, pairs, max_length):
        others, split = self.spread("score", pairs, [data.pair_length(*pair, max_length) for pair in pairs], max_length)
        out = np.empty(len(pairs), dtype=np.float32)
        out[split[0]] = score(self.model, [pairs[k] for k in split[0]], max_length, self.settings)
        for (pipe, _), part in zip(others, split[1:]):
            out[part] = pipe.recv()
        return out
