using System.Globalization;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class MultipleChoiceTests
{
    private static readonly MultipleChoiceItem[] items =
    [
        new("What is it?", ["a", "bb longer", "c\u00e4"], 1),
        new("Spaces at the end  ", ["x", "y z"], 0),
        new("A", ["one", "two", "three", "four"], 3),
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(64)]
    public void A_choice_has_the_likelihood_of_its_tokens_after_the_context(int batch)
    {
        using var model = Model();
        var result = MultipleChoice.Run(model, ModelTokenizer.Bytes, items, new MultipleChoiceOptions { BatchSize = batch });
        Assert.Equal(items.Length, result.Answers.Count);
        foreach (var answer in result.Answers)
        {
            Assert.Equal(answer.Item.Choices.Count, answer.LogLikelihoods.Count);
            foreach (var (choice, score) in answer.Item.Choices.Zip(answer.LogLikelihoods))
                Assert.Equal(ByHand(model, answer.Item.Context.TrimEnd(), answer.Item.Context[answer.Item.Context.TrimEnd().Length..] + " " + choice), score, 10);
        }
        Assert.Equal(0, result.CutCount);
    }

    [Fact]
    public void Right_is_the_likeliest_whole_by_character_or_by_byte()
    {
        var answer = new MultipleChoiceAnswer(new("q", ["ab", "\u00e4\u00e4\u00e4", "abcdefgh"], 1), [-4, -4.5, -10], false);
        Assert.False(answer.IsRight); // -4 is the largest
        Assert.False(answer.IsRightPerCharacter); // -2, -1.5, -1.25
        Assert.True(answer.IsRightPerByte); // -2, -0.75, -1.25
        answer = answer with { Item = answer.Item with { Answer = 0 } };
        Assert.True(answer.IsRight);
        answer = answer with { Item = answer.Item with { Answer = 2 } };
        Assert.True(answer.IsRightPerCharacter);
        Assert.False(answer.IsRightPerByte);
    }

    [Fact]
    public void Shares_have_standard_errors()
    {
        var result = new MultipleChoiceResult([.. Enumerable.Range(0, 10).Select(index => new MultipleChoiceAnswer(items[0], index < 7 ? [-3, -1, -2] : [-1, -3, -2], index == 0))]);
        Assert.Equal(0.7, result.Accuracy.Value, 12);
        Assert.Equal(10, result.Accuracy.UnitCount);
        Assert.Equal(Math.Sqrt(8 / 12.0 * (4 / 12.0) / 10), result.Accuracy.StandardError, 12);
        Assert.Equal(1, result.CutCount);
    }

    [Theory]
    [InlineData("""{"context":"q","choices":["a","b"],"answer":1}""", "q", "a|b", 1)]
    [InlineData("""{"query":"q","choices":["a","b"],"gold":0}""", "q", "a|b", 0)]
    [InlineData("""{"ctx":"q","endings":["a","b"],"label":"1"}""", "q", "a|b", 1)]
    [InlineData("""{"question":"q","choices":{"text":["a","b"],"label":["A","B"]},"answerKey":"B"}""", "q", "a|b", 1)]
    [InlineData("""{"question":"q","choices":{"text":["a","b"],"label":["1","2"]},"answerKey":"1"}""", "q", "a|b", 0)]
    [InlineData("""{"question":"q","choices":{"text":["a","b"],"label":[1,2]},"answerKey":1}""", "q", "a|b", 0)]
    [InlineData("""{"prompt":"q","options":[{"text":"a","label":"x"},{"text":"b","label":"y"}],"answer":"y"}""", "q", "a|b", 1)]
    [InlineData("""{"prompt":"q","options":["a","b","c"],"answer":"C"}""", "q", "a|b|c", 2)]
    public void The_usual_fields_are_known(string line, string context, string choices, int answer)
    {
        using var folder = new TemporaryFolder();
        var item = Assert.Single(MultipleChoiceFile.Read(Write(folder, "", line, "  ", ""), new MultipleChoiceFields()));
        Assert.Equal((context, choices, answer), (item.Context, string.Join('|', item.Choices), item.Answer));
        Assert.EndsWith(":2", item.Place, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nonsense", "Each line is one JSON object")]
    [InlineData("[1]", "Each line is one JSON object")]
    [InlineData("""{"choices":["a","b"],"answer":1}""", "the line has no field of context, query, question, prompt, ctx; it has choices, answer")]
    [InlineData("""{"context":"q","answer":1}""", "the line has no field of choices, endings, options")]
    [InlineData("""{"context":"q","choices":["a","b"]}""", "the line has no field of answer, gold, label, answerKey")]
    [InlineData("""{"context":7,"choices":["a","b"],"answer":1}""", "context = 7 is not a text")]
    [InlineData("""{"context":"q","choices":"ab","answer":1}""", "choices is not a list of choices")]
    [InlineData("""{"context":"q","choices":["a",null],"answer":1}""", "choices[1] = null is not a text")]
    [InlineData("""{"context":"q","choices":["a"],"answer":0}""", "choices holds 1 choices; a question has at least two")]
    [InlineData("""{"context":"q","choices":["a",""],"answer":0}""", "choices [1] is empty")]
    [InlineData("""{"context":"q","choices":["a","b"],"answer":2}""", "answer = 2 is not one of the 2 choices, counted from 0")]
    [InlineData("""{"context":"q","choices":["a","b"],"answer":-1}""", "answer = -1 is not one of the 2 choices")]
    [InlineData("""{"context":"q","choices":["a","b"],"answer":"C"}""", "answer = \"C\" is neither the index of one of the 2 choices nor its label")]
    [InlineData("""{"context":"q","choices":["a","b"],"answer":null}""", "answer is null")]
    public void A_line_that_cannot_be_read_is_told_by_number_and_field(string line, string words)
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        var path = Write(folder, """{"context":"q","choices":["a","b"],"answer":0}""", line);
        var error = Assert.Throws<TextDataException>(() => MultipleChoice.Run(model, ModelTokenizer.Bytes, path));
        Assert.StartsWith($"{path}:2: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_that_is_too_long_is_refused_unread()
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        var path = Write(folder, "{\"context\":\"" + new string('a', 2 << 20));
        Assert.Contains("the line has more than 1048576 bytes", Assert.Throws<TextDataException>(() => MultipleChoice.Run(model, ModelTokenizer.Bytes, path)).Message, StringComparison.Ordinal);
        _ = Assert.ThrowsAny<IOException>(() => MultipleChoice.Run(model, ModelTokenizer.Bytes, path + ".none"));
        path = Write(folder, "", "  ");
        Assert.Contains($"{path}: the file holds no question", Assert.Throws<TextDataException>(() => MultipleChoice.Run(model, ModelTokenizer.Bytes, path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Fields_prefix_and_delimiter_are_obeyed_and_progress_is_told()
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        var path = Write(folder, """{"q":"w","a":["b","c"],"right":1,"context":"other","choices":[],"answer":9}""", """{"q":"v","a":["b","c"],"right":0}""");
        var steps = new List<int>();
        var options = new MultipleChoiceOptions { Fields = new() { Context = "q", Choices = "a", Answer = "right" }, Prefix = "Example. ", Delimiter = ": ", BatchSize = 1 };
        var result = MultipleChoice.Run(model, ModelTokenizer.Bytes, path, options, steps.Add);
        Assert.Equal([1, 2], steps);
        Assert.Equal(ByHand(model, "Example. w", ": c"), result.Answers[0].LogLikelihoods[1], 10);
    }

    [Fact]
    public void A_long_context_loses_its_beginning_and_an_empty_one_needs_a_token()
    {
        using var model = Model();
        MultipleChoiceItem[] questions = [new("0123456789", ["abc", "d"], 0)];
        var result = MultipleChoice.Run(model, ModelTokenizer.Bytes, questions, new MultipleChoiceOptions { ContextLength = 6 });
        Assert.Equal(1, result.CutCount);
        Assert.Equal(ByHand(model, "789", " abc"), result.Answers[0].LogLikelihoods[0], 10); // six tokens are read, the last of the choice is not
        Assert.Equal(ByHand(model, "56789", " d"), result.Answers[0].LogLikelihoods[1], 10);
        questions = [new("", ["a", "b"], 0)];
        Assert.Contains("its context has no token", Assert.Throws<ArgumentException>(() => MultipleChoice.Run(model, ModelTokenizer.Bytes, questions)).Message, StringComparison.Ordinal);
        result = MultipleChoice.Run(model, ModelTokenizer.Bytes, questions, new MultipleChoiceOptions { PrefixToken = 10 });
        Assert.Equal(ByHand(model, "\n", " a"), result.Answers[0].LogLikelihoods[0], 10);
    }

    // Rows of one batch have other lengths, so their angles differ; each counts its own tokens.
    [Theory]
    [InlineData("llama-dynamic")]
    [InlineData("phi3-longrope")]
    [InlineData("bloom")]
    [InlineData("mistral-window")]
    public void A_batch_of_other_lengths_gives_each_choice_what_it_gets_alone(string name)
    {
        using var published = PublishedModel.Load(PublishedFolders.Of(name), dtype: ScalarType.Float64);
        var tokenizer = new ModelTokenizer(new SmallTokenizer((int)published.Model.VocabSize), (int)published.Model.VocabSize);
        MultipleChoiceItem[] questions = [.. Enumerable.Range(1, 4).Select(index => new MultipleChoiceItem(new string('q', 9 * index), ["a", "bcd", "efghijk"], 0))];
        var alone = MultipleChoice.Run(published.Model, tokenizer, questions, new MultipleChoiceOptions { BatchSize = 1 });
        var together = MultipleChoice.Run(published.Model, tokenizer, questions, new MultipleChoiceOptions { BatchSize = 12 });

        Assert.Equal(4, alone.Answers.Count);
        foreach (var (one, other) in alone.Answers.Zip(together.Answers))
            Assert.All(one.LogLikelihoods.Zip(other.LogLikelihoods), pair => Assert.Equal(pair.First, pair.Second, 9));
    }

    [Fact]
    public void Answers_before_and_after_a_change_are_compared_in_pairs()
    {
        var before = Result("rrrrrrrrrwwwwwwwwwwr");
        var after = Result("rrrrrrrrwrrrrrrrrrwr");
        var comparison = MultipleChoice.Compare(before, after);
        Assert.Equal((9, 1), (comparison.GainedCount, comparison.LostCount));
        Assert.Equal(8 / 20.0, comparison.Difference.Value, 12);
        Assert.Equal(2 * 11 / 1024.0, comparison.PValue, 12); // 10 changed: P(at most 1) = (1 + 10) / 2^10, two-sided
        Assert.Equal((0, 0, 1.0), (MultipleChoice.Compare(before, before).GainedCount, MultipleChoice.Compare(before, before).LostCount, MultipleChoice.Compare(before, before).PValue));
        _ = Assert.Throws<ArgumentException>(() => MultipleChoice.Compare(before, Result("r")));
        var other = new MultipleChoiceResult([.. before.Answers.Select(answer => answer with { Item = answer.Item with { Context = "else" } })]);
        Assert.Contains("Question 0 is another one", Assert.Throws<ArgumentException>(() => MultipleChoice.Compare(before, other)).Message, StringComparison.Ordinal);

        static MultipleChoiceResult Result(string answers) => new([.. answers.Select((letter, index) =>
            new MultipleChoiceAnswer(new(index.ToString(CultureInfo.InvariantCulture), ["a", "b"], 0), letter == 'r' ? [-1, -2] : [-2, -1], false))]);
    }

    [Fact]
    public void What_cannot_be_asked_is_refused_by_name()
    {
        using var model = Model();
        Refused("question 0: it has 1 choices", [new("q", ["a"], 0)]);
        Refused("question 0: Answer = 2 is not one of its 2 choices", [new("q", ["a", "b"], 2)]);
        Refused("There is no question to ask", []);
        Refused("question 0, choice 0: '' adds no token", [new("q", ["", "b"], 0)], new() { Delimiter = "" });
        Refused("PrefixToken = 256 is outside the vocabulary of 256", items, new() { PrefixToken = 256 });
        Refused("BatchSize", items, new() { BatchSize = 0 });
        Refused("the choice alone has 10 tokens; the model reads 4", items, new() { ContextLength = 4 });
        using var small = ToyModel.Builder().AddAttention().AddLearnedPositions(4).Build();
        var error = Assert.Throws<ArgumentException>(() => MultipleChoice.Run(small, ModelTokenizer.Bytes, items));
        Assert.Contains("outside the model's vocabulary of 11", error.Message, StringComparison.Ordinal);
        error = Assert.Throws<ArgumentException>(() => MultipleChoice.Run(small, ModelTokenizer.Bytes, items, new() { ContextLength = 5 }));
        Assert.Contains("ContextLength = 5 is longer than the 4 tokens", error.Message, StringComparison.Ordinal);
        _ = Assert.Throws<OperationCanceledException>(() => MultipleChoice.Run(model, ModelTokenizer.Bytes, items, cancellation: new CancellationToken(true)));
        using (no_grad())
            model.parameters().First().fill_(double.NaN);
        Assert.Contains("question 0, choice 0: its likelihood is not a number", Assert.Throws<InvalidOperationException>(() => MultipleChoice.Run(model, ModelTokenizer.Bytes, items)).Message, StringComparison.Ordinal);
        model.train();
        Refused("call eval() first", items);

        void Refused(string words, MultipleChoiceItem[] questions, MultipleChoiceOptions? options = null)
        {
            var refusal = Assert.ThrowsAny<ArgumentException>(() => MultipleChoice.Run(model, ModelTokenizer.Bytes, questions, options));
            Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        }
    }

    private sealed class SmallTokenizer(int size) : Microsoft.ML.Tokenizers.Tokenizer
    {
        public override string Decode(IEnumerable<int> ids) => throw new NotSupportedException();

        public override System.Buffers.OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten) => throw new NotSupportedException();

        protected override Microsoft.ML.Tokenizers.EncodeResults<Microsoft.ML.Tokenizers.EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, Microsoft.ML.Tokenizers.EncodeSettings settings)
        {
            var letters = (text ?? textSpan.ToString()).Select((letter, index) => new Microsoft.ML.Tokenizers.EncodedToken((letter + index) % size, $"{letter}", new Range(index, index + 1))).ToList();
            return new() { Tokens = letters, CharsConsumed = letters.Count };
        }
    }

    private static LanguageModel Model()
    {
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1, Dtype = ScalarType.Float64 };
        builder.Options.InitializerRange = 0.5;
        return builder.AddAttention().AddRotary().Build();
    }

    // Each token of the choice from a call of its own.
    private static double ByHand(LanguageModel model, string context, string choice)
    {
        using var frozen = no_grad();
        var before = System.Text.Encoding.UTF8.GetBytes(context).ToList();
        double sum = 0;
        foreach (var token in System.Text.Encoding.UTF8.GetBytes(choice))
        {
            using var scope = NewDisposeScope();
            var logits = model.call(tensor(before.Select(value => (long)value).ToArray(), [1, before.Count]), null)[0, -1];
            sum += nn.functional.log_softmax(logits, 0)[token].ToDouble();
            before.Add(token);
        }
        return sum;
    }

    private static string Write(TemporaryFolder folder, params string[] lines)
    {
        var path = Path.Combine(folder.Path, "questions.jsonl");
        File.WriteAllLines(path, lines);
        return path;
    }
}
