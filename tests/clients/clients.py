"""The real clients of rerank servers, unchanged but for the address, against `rerank serve`.

Usage: clients.py RERANK
Exit code: 0 all that are installed agree with `rerank score`, 1 not, 77 skipped (none of the packages is installed).
"""

import array
import importlib.util
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("RERANK_SHARED_DIR", ROOT.parent / "shared"))
PACKAGES = ["openai", "cohere", "llama_index.postprocessor.tei_rerank", "haystack_integrations.components.rankers",
            "langchain_community", "langchain_cohere", "litellm", "infinity_client", "voyageai", "rerankers"]


def has(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


if not any(has(module) for module in PACKAGES):
    # scripts/install-deps --tests puts them there; the second has OpenAI's and Cohere's alone.
    for venv in (ROOT / "build" / "clients-venv", ROOT / "build" / "venv"):
        if venv.is_dir() and "RERANK_CLIENTS_VENV" not in os.environ:
            os.environ["RERANK_CLIENTS_VENV"] = str(venv)
            os.execv(venv / "bin" / "python3", [str(venv / "bin" / "python3"), *sys.argv])
    print("SKIPPED: no Python here has a client (scripts/install-deps --tests)")
    sys.exit(77)

from server import Server

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
QUERY = "what is panda?"
PASSAGES = ["hi", "The giant panda is a bear species endemic to China.", "Pandas is a Python library.",
            "The red panda is a small mammal."]
KEY = "a-key-for-tests"


def post(url, body):
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=120) as response:
        return json.load(response)


def offline_scores(*options):
    """What `rerank score --normalize` gives the passages."""
    pairs = "".join(json.dumps({"query": QUERY, "passage": passage}) + "\n" for passage in PASSAGES)
    done = subprocess.run([PROGRAM, "score", "--normalize", "--input", "-", *options], input=pairs, text=True,
                          capture_output=True, check=True)
    return [json.loads(line)["score"] for line in done.stdout.splitlines()]


SCORES = offline_scores()
RANKING = sorted(range(len(PASSAGES)), key=lambda index: -SCORES[index])


def expect_ranking(indices, scores, exact=True):
    assert list(indices) == RANKING[:len(list(indices))], indices
    for index, score in zip(indices, scores):
        close = score == SCORES[index] if exact else math.isclose(score, SCORES[index], rel_tol=1e-6)
        assert close, (index, score, SCORES[index])


def check_plain(url):
    """Without any package: the same bits as offline."""
    answer = post(url + "/rerank", {"query": QUERY, "documents": PASSAGES})
    expect_ranking([r["index"] for r in answer["results"]], [r["relevance_score"] for r in answer["results"]])
    try:
        urllib.request.urlopen(urllib.request.Request(url + "/rerank", b"{}"), timeout=30)
        raise AssertionError("answered without a key")
    except urllib.error.HTTPError as error:
        assert error.code == 401, error.code


def check_cohere(url):
    import cohere
    found = cohere.ClientV2(api_key=KEY, base_url=url).rerank(model="any", query=QUERY, documents=PASSAGES, top_n=2)
    expect_ranking([r.index for r in found.results], [r.relevance_score for r in found.results])
    found = cohere.Client(api_key=KEY, base_url=url).rerank(model="any", query=QUERY, documents=PASSAGES,
                                                            return_documents=True)
    expect_ranking([r.index for r in found.results], [r.relevance_score for r in found.results])
    assert found.results[0].document.text == PASSAGES[RANKING[0]]
    for key, kind in ((KEY, cohere.errors.BadRequestError), ("wrong", cohere.errors.UnauthorizedError)):
        try:
            cohere.ClientV2(api_key=key, base_url=url).rerank(model="any", query=QUERY, documents=[])
            raise AssertionError("was answered")
        except kind as error:
            assert error.body["message"], error.body


def check_llama_index(url):
    from llama_index.core.schema import NodeWithScore, TextNode
    from llama_index.postprocessor.tei_rerank import TextEmbeddingInference
    nodes = [NodeWithScore(node=TextNode(text=passage, id_=str(i))) for i, passage in enumerate(PASSAGES)]
    ranker = TextEmbeddingInference(base_url=url, top_n=3, auth_token=KEY)
    found = ranker.postprocess_nodes(nodes, query_str=QUERY)
    expect_ranking([int(node.node.node_id) for node in found], [node.score for node in found])


def check_llama_index_jina(url):
    from llama_index.core.schema import NodeWithScore, TextNode
    from llama_index.postprocessor.jinaai_rerank import JinaRerank
    nodes = [NodeWithScore(node=TextNode(text=passage, id_=str(i))) for i, passage in enumerate(PASSAGES)]
    ranker = JinaRerank(base_url=url + "/jina/v1", top_n=3, api_key=KEY, model="any")
    found = ranker.postprocess_nodes(nodes, query_str=QUERY)
    expect_ranking([int(node.node.node_id) for node in found], [node.score for node in found])


def check_haystack(url):
    from haystack import Document
    from haystack.utils import Secret
    from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker
    ranker = HuggingFaceTEIRanker(url=url, top_k=3, token=Secret.from_token(KEY))
    found = ranker.run(query=QUERY, documents=[Document(content=passage) for passage in PASSAGES])["documents"]
    expect_ranking([PASSAGES.index(document.content) for document in found], [document.score for document in found])


def check_langchain(url):
    from langchain_community.document_compressors import JinaRerank
    ranker = JinaRerank(model="any", jina_api_key=KEY, top_n=3)
    import langchain_community.document_compressors.jina_rerank as module
    module.JINA_API_URL = url + "/jina/v1/rerank"
    found = ranker.rerank(documents=PASSAGES, query=QUERY)
    expect_ranking([r["index"] for r in found], [r["relevance_score"] for r in found])


def check_langchain_infinity(url):
    from infinity_client import Client
    from langchain_community.document_compressors import InfinityRerank
    client = Client(base_url=url + "/infinity", headers={"Authorization": f"Bearer {KEY}"})
    found = InfinityRerank(client=client, model="any", top_n=3).rerank(documents=PASSAGES, query=QUERY)
    expect_ranking([r["index"] for r in found], [r["relevance_score"] for r in found])


def check_rerankers(url):
    from rerankers.models.api_rankers import APIRanker
    ranker = APIRanker("any", api_provider="text-embeddings-inference", api_key=KEY, url=url + "/rerank")
    found = ranker.rank(query=QUERY, docs=PASSAGES).results
    assert sorted(PASSAGES.index(result.text) for result in found) == sorted(RANKING)
    for result in found:
        assert result.score == SCORES[PASSAGES.index(result.text)], result


def check_langchain_cohere(url):
    from langchain_cohere import CohereRerank
    ranker = CohereRerank(model="any", cohere_api_key=KEY, base_url=url, top_n=3)
    found = ranker.rerank(documents=PASSAGES, query=QUERY)
    expect_ranking([r["index"] for r in found], [r["relevance_score"] for r in found])


def check_litellm(url):
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm
    found = litellm.rerank(model="hosted_vllm/any", api_base=url, api_key=KEY, query=QUERY, documents=PASSAGES, top_n=3)
    expect_ranking([r["index"] for r in found.results], [r["relevance_score"] for r in found.results])


def check_voyage(url):
    import voyageai
    client = voyageai.Client(api_key=KEY, base_url=url + "/voyage/v1")
    found = client.rerank(QUERY, PASSAGES, model="any", top_k=2)
    expect_ranking([r.index for r in found.results], [r.relevance_score for r in found.results])
    assert found.results[0].document == PASSAGES[RANKING[0]]


def check_infinity(url):
    from infinity_client import AuthenticatedClient
    from infinity_client.api.default import rerank
    from infinity_client.models import RerankInput
    client = AuthenticatedClient(base_url=url + "/infinity", token=KEY)
    found = rerank.sync(client=client, body=RerankInput.from_dict(
        {"query": QUERY, "documents": PASSAGES, "return_documents": True, "model": "any"}))
    expect_ranking([r.index for r in found.results], [r.relevance_score for r in found.results])
    from infinity_client.api.default import models
    [model] = models.sync(client=client).data
    assert model.id == "embedded" and model.stats["queue_absolute"] == 0, model


def check_openai_models(url):
    import openai
    client = openai.OpenAI(base_url=url + "/v1", api_key=KEY)
    assert [model.id for model in client.models.list()], "no models"
    try:
        client.chat.completions.create(model="any", messages=[{"role": "user", "content": "x"}])
        raise AssertionError("a cross-encoder wrote text")
    except openai.BadRequestError as error:
        assert "writes no text" in error.message, error.message
    try:
        openai.OpenAI(base_url=url + "/v1", api_key="wrong", max_retries=0).models.list()
        raise AssertionError("answered with a wrong key")
    except openai.AuthenticationError as error:
        assert error.code == "invalid_api_key", error.code


def lb_chat(query, passage):
    system = ("Given a query and a piece of text, output a score of 1-7 based on how related the query is to the text. "
              "1 means least related and 7 is most related.")
    return [{"role": "system", "content": system},
            {"role": "user", "content": f"<<<Query>>>\n{query}\n\n<<<Context>>>\n{passage}"}]


def lb_score(url, passage, top):
    answer = post(url + "/rerank", {"query": QUERY, "documents": [passage], "raw_scores": True, "top_logprobs": top})
    assert answer["score_kind"] == "expectation", answer
    return answer["results"][0]["relevance_score"]


def check_lb_card(url):
    """The card's clients for vLLM and LMDeploy (which sample with temperature 1 there): the expectation over the
    digits among the 14 likeliest. The weights are random: there are other tokens among those."""
    import openai
    client = openai.OpenAI(base_url=url + "/v1", api_key=KEY)
    for wishes in ({"max_tokens": 1, "temperature": 0.0}, {"max_completion_tokens": 1, "temperature": 1.0}):
        for passage in PASSAGES:
            completion = client.chat.completions.create(
                model="lightblue/lb-reranker-v1.0", messages=lb_chat(QUERY, passage), logprobs=True, top_logprobs=14,
                **wishes)
            alternatives = completion.choices[0].logprobs.content[0].top_logprobs
            assert len(alternatives) == 14
            probabilities = {x.token: math.exp(x.logprob) for x in alternatives}
            expected = sum(digit * probabilities.get(str(digit), 0) for digit in range(1, 8))
            score = lb_score(url, passage, 14)
            assert math.isclose(score, expected, rel_tol=1e-9, abs_tol=1e-12), (score, expected)


def check_lb_card_openai(url):
    """The card's client for hosts of OpenAI's interface, which takes int() of every alternative, with the 5 that such
    hosts allow and with all 7 digits."""
    import openai
    client = openai.OpenAI(base_url=url + "/v1", api_key=KEY)
    for top in (5, 7):
        for passage in PASSAGES:
            completion = client.chat.completions.create(
                model="lightblue/lb-reranker-0.5B-v1.0", messages=lb_chat(QUERY, passage), max_tokens=1,
                temperature=0.0, logprobs=True, top_logprobs=top)
            alternatives = completion.choices[0].logprobs.content[0].top_logprobs
            digits = [int(x.token) for x in alternatives]
            assert len(set(digits)) == top and set(digits) <= set(range(1, 8)), digits
            expected = sum(digit * math.exp(x.logprob) for digit, x in zip(digits, alternatives))
            assert 1 <= expected <= 7 or top == 5, expected
            score = lb_score(url, passage, top)
            assert math.isclose(score, expected, rel_tol=1e-9), (score, expected)


def read_tensors(path):
    """The header of a file of bf16 tensors, and their bits by name."""
    data = path.read_bytes()
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:begin])
    header.pop("__metadata__", None)
    values = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        assert entry["dtype"] == "BF16", entry
        values[name] = array.array("H", data[begin + first:begin + last])
    return header, values


def write_tensors(path, shapes, values):
    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 2 * len(values[name])
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(values[name].tobytes() for name in shapes))


def bf16(value):
    """The bits of a number that bf16 holds exactly."""
    return struct.unpack("<I", struct.pack("<f", value))[0] >> 16


def write_digit_model(source, folder):
    """A copy of a checkpoint that always writes a digit from 1 to 7, as the trained one does: one number of the hidden
    state is large for every token, and the matrix over the vocabulary, untied from the embeddings, rewards the digits
    for it."""
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copyfile(source / name, folder / name)
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    header, values = read_tensors(source / "model.safetensors")
    shapes = {name: entry["shape"] for name, entry in header.items()}
    embeddings = values["model.embed_tokens.weight"]
    rows, width = shapes["model.embed_tokens.weight"]
    head = array.array("H", embeddings)
    vocabulary = json.loads((source / "tokenizer.json").read_text())["model"]["vocab"]
    digits = {vocabulary[str(digit)] for digit in range(1, 8)}
    for row in range(rows):
        embeddings[row * width] = bf16(100)
        head[row * width] = bf16(16) if row in digits else bf16(-16)
    values["model.norm.weight"][0] = bf16(1)
    values["lm_head.weight"], shapes["lm_head.weight"] = head, [rows, width]
    write_tensors(folder / "model.safetensors", shapes, values)


def check_rank1_example(url):
    """rank1's own minimal example: the text up to the verdict, and true against false among the 20 likeliest of the
    last token. The toy model really comes to verdicts."""
    import openai
    client = openai.OpenAI(base_url=url + "/v1", api_key=KEY)
    answer = post(url + "/rerank", {"query": QUERY, "documents": PASSAGES, "max_new_tokens": 64,
                                    "return_reasoning": True})
    finished = [result for result in answer["results"] if result["finished"]]
    assert finished, "no verdict"
    for result in finished:
        prompt = ("Determine if the following passage is relevant to the query. Answer only with 'true' or 'false'.\n"
                  f"Query: {QUERY}\nPassage: {PASSAGES[result['index']]}\n<think>")
        choice = client.completions.create(
            model="jhu-clsp/rank1-0.5b", prompt=prompt, max_tokens=64, temperature=0, logprobs=20,
            stop=["</think> true", "</think> false"], extra_body={"skip_special_tokens": False}).choices[0]
        assert choice.finish_reason == "stop" and choice.text == result["reasoning"], (choice, result)
        last = choice.logprobs.top_logprobs[-1]
        true, false = math.exp(last[" true"]), math.exp(last[" false"])
        score = result["relevance_score"]
        assert math.isclose(score, true / (true + false), rel_tol=1e-9), (score, true, false)


def check_rank1_completions(url):
    """Whole and streamed texts are the ones that `rerank generate` writes."""
    import openai
    client = openai.OpenAI(base_url=url + "/v1", api_key=KEY)
    prompts = ["Determine if the passage is relevant.\n<think>", "A giant panda eats"]
    model = str(SHARED / "golden" / "rank1-0.5b")
    lines = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts)
    offline = subprocess.run([PROGRAM, "generate", "--model", model, "--dtype", "f32", "--input", "-", "--logprobs", "20",
                              "--max-new-tokens", "24"], input=lines, text=True, capture_output=True, check=True)
    for prompt, line in zip(prompts, offline.stdout.splitlines()):
        expected = json.loads(line)
        asked = dict(model="jhu-clsp/rank1-0.5b", prompt=prompt, max_tokens=24, temperature=0, logprobs=20,
                     stop=["</think> true", "</think> false"], extra_body={"skip_special_tokens": False})
        choice = client.completions.create(**asked).choices[0]
        assert choice.text == expected["text"], (choice.text, expected["text"])
        assert choice.finish_reason == expected["finish"]
        assert choice.logprobs.token_logprobs == [step[0][1] for step in expected["logprobs"]]
        pieces = [piece.choices[0] for piece in client.completions.create(**asked, stream=True)]
        assert "".join(piece.text for piece in pieces) == expected["text"]
        assert pieces[-1].finish_reason == expected["finish"]
        assert len(pieces) > 2, "came in one piece"


def run(name, module, check, url):
    if module and not has(module):
        print(f"skipped  {name}: {module} is not installed")
        return
    try:
        check(url)
    except ImportError as error:  # of packages that do not go together
        print(f"skipped  {name}: {error}")
        return
    print(f"passed   {name}")


def main():
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as keys:
        keys.write(KEY + "\n")
        keys.flush()
        with Server(PROGRAM, "--api-keys", keys.name) as url:
            for name, module, check in (
                    ("plain HTTP", None, check_plain), ("Cohere's SDK", "cohere", check_cohere),
                    ("OpenAI's SDK", "openai", check_openai_models),
                    ("LlamaIndex", "llama_index.postprocessor.tei_rerank", check_llama_index),
                    ("LlamaIndex, Jina", "llama_index.postprocessor.jinaai_rerank", check_llama_index_jina),
                    ("Haystack", "haystack_integrations.components.rankers.huggingface_api", check_haystack),
                    ("LangChain, Jina", "langchain_community", check_langchain),
                    ("LangChain, infinity", "langchain_community", check_langchain_infinity),
                    ("LangChain, Cohere", "langchain_cohere", check_langchain_cohere),
                    ("LiteLLM", "litellm", check_litellm), ("Voyage's SDK", "voyageai", check_voyage),
                    ("infinity's client", "infinity_client", check_infinity),
                    ("rerankers", "rerankers", check_rerankers)):
                run(name, module, check, url)
        golden = SHARED / "golden"
        with tempfile.TemporaryDirectory() as digit_model:
            if (golden / "lb-reranker-0.5b").is_dir():
                write_digit_model(golden / "lb-reranker-0.5b", pathlib.Path(digit_model))
            for name, model, check in (
                    ("LB reranker's card, vLLM and LMDeploy", golden / "lb-reranker-0.5b", check_lb_card),
                    ("LB reranker's card, OpenAI", pathlib.Path(digit_model), check_lb_card_openai),
                    ("rank1's completions", golden / "rank1-0.5b", check_rank1_completions),
                    ("rank1's example", golden / "rank1-toy", check_rank1_example)):
                if not (model / "config.json").is_file():
                    print(f"skipped  {name}: there is no checkpoint in {golden}")
                    continue
                with Server(PROGRAM, "--api-keys", keys.name, "--dtype", "f32", "--model", str(model)) as url:
                    run(name, "openai", check, url)


if __name__ == "__main__":
    main()
