"""The student's network: the base model with a head, its forward pass over pairs of mixed lengths, and the loss."""
import numpy as np
import torch
from safetensors.torch import load_file

import data


def attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **kwargs):
    """Plain attention that stays in bf16 and scales the small operand. On a CPU the backward pass of PyTorch's fused
    kernel takes twice as long, and transformers' own plain one spends a fifth of its time on float32 copies."""
    scores = torch.matmul(query * scaling, key.transpose(2, 3))
    if attention_mask is not None:
        scores += attention_mask
    return torch.matmul(scores.softmax(-1), value).transpose(1, 2).contiguous(), None


def register_attention():
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register("plain", attention)
    AttentionMaskInterface.register("plain", eager_mask)


def build_model(folder, start):
    """The base model with a fresh head, or with all weights of a reranker's file `start`. Positions beyond those of the
    file stay the base model's."""
    from transformers import BertForSequenceClassification

    register_attention()
    # Dropout costs more than half of a forward pass in random numbers, and one pass over few data hardly overfits.
    options = dict(num_labels=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="plain")
    model = BertForSequenceClassification.from_pretrained(folder, dtype=torch.float32, **options)
    if start:
        with torch.no_grad():
            tensors = load_file(start)
            for name, p in model.named_parameters():
                p[:len(tensors[name])].copy_(tensors[name])
    return model


def forward(model, pairs, max_length, group_tokens):
    """Scores of the pairs, computed in groups of like length: little padding, and activations that stay in the cache."""
    order = sorted(range(len(pairs)), key=lambda k: data.pair_length(*pairs[k], max_length))
    scores, start = [], 0
    while start < len(order):
        end = start + 1
        while end < len(order) and data.pair_length(*pairs[order[end]], max_length) * (end + 1 - start) <= group_tokens:
            end += 1
        ids, types, mask = data.collate([pairs[k] for k in order[start:end]], max_length)
        start = end
        # A group without padding needs no mask.
        scores.append(model(input_ids=torch.from_numpy(ids), token_type_ids=torch.from_numpy(types),
                            attention_mask=None if mask.all() else torch.from_numpy(mask)).logits[:, 0].float())
    inverse = np.empty(len(order), dtype=np.int64)
    inverse[order] = np.arange(len(order))
    return torch.cat(scores)[torch.from_numpy(inverse)]


def list_loss(scores, teacher, settings):
    """The lists' summed loss of three parts. Cross-entropy of the list's softmax: the target is the positive, softened by the
    teacher's softmax, since some negatives of every source are relevant all the same. The squares of how far gaps between scores
    are from the teacher's, which tell of passages that no softmax notices. A pointwise cross-entropy with the softmax's targets,
    which gives scores a common zero."""
    share = settings["teacher_share"]
    target = share * teacher.softmax(-1)
    target[:, 0] += 1 - share
    listwise = -(target * scores.log_softmax(-1)).sum(-1)
    off = scores - teacher
    gaps = (off - off.mean(-1, keepdim=True)).square().mean(-1)
    pointwise = torch.nn.functional.binary_cross_entropy_with_logits(scores, target, reduction="none").mean(-1)
    return (listwise + settings["gap_share"] * gaps + settings["point_share"] * pointwise).sum()
