#!/usr/bin/env python3
"""Greedy generation by transformers, timed: the peer of `rerank bench --method reasoning`.

    generate_peer.py CHECKPOINT PROMPTS.jsonl [--new-tokens 128] [--batch 32] [--dtype bf16] [--threads 2] [--repeat 2]

PROMPTS.jsonl has {"prompt"} a line. Every prompt gets exactly --new-tokens tokens. Prints one JSON line. The time of the
prompts is that of a call for one new token; what a longer call takes beyond it is the time of decoding. The best of
--repeat counts. Needs torch and transformers.
"""
import argparse
import json
import pathlib
import resource
import time

import torch
import transformers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=pathlib.Path)
    parser.add_argument("prompts", type=pathlib.Path)
    parser.add_argument("--new-tokens", type=int, default=128)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--dtype", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    transformers.logging.set_verbosity_error()
    tokenizer = transformers.AutoTokenizer.from_pretrained(args.checkpoint, padding_side="left")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    dtype = torch.bfloat16 if args.dtype == "bf16" else torch.float32
    model = transformers.AutoModelForCausalLM.from_pretrained(args.checkpoint, dtype=dtype).eval()
    texts = [json.loads(line)["prompt"] for line in args.prompts.open(encoding="utf-8")]
    batches = [tokenizer(texts[i : i + args.batch], return_tensors="pt", padding=True)
               for i in range(0, len(texts), args.batch)]

    def seconds(new_tokens):
        begin = time.perf_counter()
        for batch in batches:
            with torch.inference_mode():
                model.generate(**batch, do_sample=False, min_new_tokens=new_tokens, max_new_tokens=new_tokens,
                               pad_token_id=tokenizer.pad_token_id)
        return time.perf_counter() - begin

    seconds(2)
    prompts_s = min(seconds(1) for _ in range(args.repeat))
    total_s = min(seconds(args.new_tokens) for _ in range(args.repeat))
    decoded = len(texts) * (args.new_tokens - 1)
    print(json.dumps({
        "prompts": len(texts),
        "prompt_tokens": sum(int(batch["attention_mask"].sum()) for batch in batches),
        "new_tokens": len(texts) * args.new_tokens,
        "prompts_s": round(prompts_s, 3),
        "total_s": round(total_s, 3),
        "decode_tokens_s": round(decoded / (total_s - prompts_s), 2),
        "new_tokens_s": round(len(texts) * args.new_tokens / total_s, 2),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }))


if __name__ == "__main__":
    main()
