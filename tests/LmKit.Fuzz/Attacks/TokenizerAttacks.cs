namespace LmKit.Fuzz;

/// <summary>Published tokenizers that somebody made to take a reader's time or memory, or to say one thing and mean another.</summary>
internal static class TokenizerAttacks
{
    private const string Model = """{"type":"BPE","unk_token":"<u>","vocab":{"<u>":0,"a":1,"b":2,"ab":3},"merges":["a b"]}""";

    internal static IEnumerable<HostileCase> All()
    {
        var doubling = string.Join(',', Enumerable.Repeat("""{"type":"Replace","pattern":{"String":"a"},"content":"aa"}""", 200));
        yield return Case("replaces-feed", Expectation.Either, $$$"""{"normalizer":{"type":"Sequence","normalizers":[{{{doubling}}}]},"model":{{{Model}}}}""");
        yield return Case("decoders-feed", Expectation.Either, $$$"""{"decoder":{"type":"Sequence","decoders":[{{{doubling}}}]},"model":{{{Model}}}}""");
        yield return Case("replace-long", Expectation.Either, $$$"""{"normalizer":{"type":"Replace","pattern":{"Regex":"a|"},"content":"{{{new string('b', 1 << 20)}}}"},"model":{{{Model}}}}""");
        yield return Case("expression-nested", Expectation.Either, $$$"""{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a*)*$|( +)+x"},"behavior":"Isolated"},"model":{{{Model}}}}""");
        yield return Case("expression-repeats", Expectation.Refused, $$$"""{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"((((a{99}){99}){99}){99}){99}"},"behavior":"Isolated"},"model":{{{Model}}}}""");
        yield return Case("id-far", Expectation.Either, """{"model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0,"b":16777215}}}""");
        yield return Case("id-beyond", Expectation.Refused, """{"model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0,"b":16777216}}}""");
        yield return Case("added-far", Expectation.Either, $$$"""{"added_tokens":[{"id":16777215,"content":"<s>","special":true}],"model":{{{Model}}}}""");
        yield return Case("model-twice", Expectation.Refused, $$$"""{"model":{{{Model}}},"model":{{{Model}}}}""");
        yield return Case("vocab-twice", Expectation.Refused, """{"model":{"type":"BPE","vocab":{"a":0},"vocab":{"b":0},"merges":[]}}""");
        yield return Case("vocab-escaped", Expectation.Refused, """{"model":{"type":"BPE","vocab":{"a":0},"voc\u0061b":{"b":0},"merges":[]}}""");
        yield return Case("merges-cut", Expectation.Refused, """{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]""");
        yield return Case("merges-deep", Expectation.Refused, $$$"""{"model":{"type":"BPE","vocab":{"a":0},"merges":{{{new string('[', 100_000)}}}""");
        yield return Case("sequence-deep", Expectation.Refused, $$$"""{"normalizer":{{{string.Concat(Enumerable.Repeat("""{"type":"Sequence","normalizers":[""", 50_000))}}}""");
    }

    private static HostileCase Case(string name, Expectation expected, string text) => HostileCase.Of($"made-published-tokenizer-{name}", "published-tokenizer", "added-flags", expected, "tokenizer.json", text);
}
