# %% [markdown]
# # A RAG pipeline with LangChain
#
# Retrieve many passages cheaply, rerank them, and let a chat model read the best. The retriever here counts words, and
# the chat model hands back what it was given: put your vector store and your model in their places.
#
#     pip install 'rerank_cpp[langchain]'

# %%
import json
import re
from pathlib import Path

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from rerank_cpp import Reranker
from rerank_cpp.langchain import RerankCompressor

corpus = Path("examples/collection/corpus.jsonl")  # run from the root of the repository
records = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
passages = [
    Document(page_content=f"{record['title']} {record['text']}", metadata={"id": record["_id"]}) for record in records
]

# %% [markdown]
# The first stage: whatever shares words with the question.


# %%
def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


class WordRetriever(BaseRetriever):
    """The `k` documents that have most words of the question."""

    documents: list[Document]
    k: int = 20

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        shared = sorted(
            self.documents, key=lambda document: len(words(query) & words(document.page_content)), reverse=True
        )
        return shared[: self.k]


retriever = WordRetriever(documents=passages)

# %% [markdown]
# The second stage keeps three of the twenty, each with its `relevance_score`.

# %%
compressor = RerankCompressor(reranker=Reranker(normalize=True), top_n=3)


def rerank(found: dict[str, object]) -> list[Document]:
    return list(compressor.compress_documents(found["documents"], found["question"]))


question = "what is the diet of the giant panda"
best = rerank({"documents": retriever.invoke(question), "question": question})
for document in best:
    print(f"{document.metadata['relevance_score']:.3f}  {document.page_content[:70]}")
assert best[0].metadata["id"] == "panda-diet" and len(best) == 3

# %% [markdown]
# The chain: question -> documents -> the best of them -> prompt -> chat model -> text.

# %%
prompt = ChatPromptTemplate.from_messages(
    [
        ("system", "Answer from these passages, and name the ids of those that you used.\n\n{context}"),
        ("human", "{question}"),
    ]
)
chat_model = RunnableLambda(lambda messages: messages.to_messages()[0].content.splitlines()[-1])  # yours here


def as_context(documents: list[Document]) -> str:
    return "\n".join(f"[{document.metadata['id']}] {document.page_content}" for document in reversed(documents))


chain = (
    {"question": RunnablePassthrough(), "documents": retriever}
    | RunnablePassthrough.assign(context=RunnableLambda(rerank) | as_context)
    | prompt
    | chat_model
    | StrOutputParser()
)
answer = chain.invoke(question)
print(answer)
assert answer.startswith("[panda-diet]")
