"""The real clients of rerank servers, unchanged but for the address, against `rerank serve`.

Usage: clients.py RERANK
Exit code: 0 all that are installed agree with `rerank score`, 1 not, 77 skipped (none of the packages is installed).
"""

import importlib.util
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("RERANK_SHARED_DIR", ROOT.parent / "shared"))
PACKAGES = ["openai", "cohere", "llama_index.postprocessor.tei_rerank", "haystack_integrations.components.rankers",
            "langchain_community", "langchain_cohere", "litellm", "infinity_client", "voyageai"]


def has(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


if not any(has(module) for module in PACKAGES):
    # scripts/install-deps --tests puts the packages of the tests there.
    venv = ROOT / "build" / "venv"
    if venv.is_dir() and pathlib.Path(sys.prefix).resolve() != venv.resolve():
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


def check_lb_card(url):
    """The card's client: the expectation over the digits among the alternatives. (The weights are random: among the 20
    likeliest there are other tokens too, which the card's int() would not take.)"""
    import openai
    client = openai.OpenAI(base_url=url + "/v1", api_key=KEY)
    system = ("Given a query and a piece of text, output a score of 1-7 based on how related the query is to the text. "
              "1 means least related and 7 is most related.")
    for passage in PASSAGES:
        completion = client.chat.completions.create(
            model="lightblue/lb-reranker-0.5B-v1.0", max_tokens=1, temperature=0.0, logprobs=True, top_logprobs=20,
            messages=[{"role": "system", "content": system},
                      {"role": "user", "content": f"<<<Query>>>\n{QUERY}\n\n<<<Context>>>\n{passage}"}])
        alternatives = completion.choices[0].logprobs.content[0].top_logprobs
        assert len(alternatives) == 20
        expected = sum(int(x.token) * math.exp(x.logprob) for x in alternatives if x.token in list("1234567"))
        answer = post(url + "/rerank", {"query": QUERY, "documents": [passage], "raw_scores": True, "top_logprobs": 20})
        score = answer["results"][0]["relevance_score"]
        assert answer["score_kind"] == "expectation" and math.isclose(score, expected, rel_tol=1e-9, abs_tol=1e-12), (
            score, expected)


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
                    ("Haystack", "haystack_integrations.components.rankers.huggingface_api", check_haystack),
                    ("LangChain, Jina", "langchain_community", check_langchain),
                    ("LangChain, Cohere", "langchain_cohere", check_langchain_cohere),
                    ("LiteLLM", "litellm", check_litellm), ("Voyage's SDK", "voyageai", check_voyage),
                    ("infinity's client", "infinity_client", check_infinity)):
                run(name, module, check, url)
        for name, folder, check in (("LB reranker's card", "lb-reranker-0.5b", check_lb_card),
                                    ("rank1's completions", "rank1-0.5b", check_rank1_completions)):
            model = SHARED / "golden" / folder
            if not model.is_dir():
                print(f"skipped  {name}: {model} is not there")
                continue
            with Server(PROGRAM, "--api-keys", keys.name, "--dtype", "f32", "--model", str(model)) as url:
                run(name, "openai", check, url)


if __name__ == "__main__":
    main()
