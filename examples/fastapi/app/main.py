"""Says hello."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def hello(name: str = "world") -> dict[str, str]:
    return {"hello": name}
