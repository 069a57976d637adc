using System.Globalization;
using System.Text.RegularExpressions;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

[NoTensorLeak]
public class PasskeyTests
{
    private const int Key = 20;
    private const int Query = 21;
    private const int Begin = 22;

    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 3)]
    [InlineData(3, 3)]
    public void A_prompt_of_tokens_has_its_length_and_hides_the_key_where_it_says(int keys, int labels)
    {
        using var random = new Generator(1);
        var task = Tokens(labels);
        foreach (var length in new[] { 40, 41, 200 })
        {
            foreach (var depth in new double?[] { 0, 0.5, 1, null })
            {
                var prompt = task.Make(length, keys, depth, random);
                var tokens = prompt.Tokens.ToArray();
                int[] name = labels == 0 ? [] : [30 + prompt.Answer.Label];
                int[] sentence = [Key, .. name, .. prompt.Answer.Value];

                Assert.Equal(length, tokens.Length);
                Assert.Equal(Begin, tokens[0]);
                Assert.Equal([Query, .. name], tokens[^(1 + name.Length)..]);
                Assert.Equal(keys, tokens.Count(token => token == Key));
                Assert.Equal(4, prompt.Answer.Value.Distinct().Count());
                var place = Assert.Single(Enumerable.Range(0, length - sentence.Length), start => tokens.AsSpan(start, sentence.Length).SequenceEqual(sentence));
                var (before, filler) = (tokens[..place].Count(IsFiller), tokens.Count(IsFiller));
                Assert.Equal(before / (double)filler, prompt.Depth, 1e-12);
                if (depth is { } given)
                    Assert.InRange(prompt.Depth, given - 0.5 / filler - 1e-12, given + 0.5 / filler + 1e-12);
                Assert.Equal(Enumerable.Range(0, filler).Select(slot => 10 + slot % 3), tokens.Where(IsFiller));
            }
        }

        static bool IsFiller(int token) => token is >= 10 and < 20;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void A_prompt_of_text_is_as_long_as_fits_and_its_question_has_one_answer(int keys)
    {
        using var random = new Generator(1);
        var task = new PasskeyText(ModelTokenizer.Bytes, hasNames: keys > 1);
        foreach (var length in new[] { 900, 2_000, 5_000 })
        {
            var prompt = task.Make(length, keys, 0.5, random);
            var text = ModelTokenizer.Bytes.Decode(prompt.Tokens);

            Assert.InRange(prompt.Tokens.Count, length - 200, length);
            var name = keys == 1 ? "" : $" {(char)('A' + prompt.Answer.Label)}";
            Assert.EndsWith($"The pass key{name} is", text, StringComparison.Ordinal);
            Assert.Equal(keys, Regex.Count(text, "Remember it:"));
            Assert.Equal(prompt.Answer.Value[0].ToString(CultureInfo.InvariantCulture), Regex.Match(text, $@"The pass key{name} is (\d+)\.").Groups[1].Value);
            Assert.InRange(prompt.Depth, 0.4, 0.6);
            Assert.InRange(prompt.Answer.Value[0], 1, 9_999_999);
            Assert.True(task.IsRight(prompt, ModelTokenizer.Bytes.Encode($" {prompt.Answer.Value[0]}. And")));
            Assert.False(task.IsRight(prompt, ModelTokenizer.Bytes.Encode($" {prompt.Answer.Value[0]}7")));
            Assert.False(task.IsRight(prompt, ModelTokenizer.Bytes.Encode(" none")));
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_prompts_and_another_gives_others()
    {
        Assert.Equal(Made(1), Made(1));
        Assert.NotEqual(Made(1), Made(2));

        static string[] Made(ulong seed)
        {
            using var random = new Generator(seed);
            var text = new PasskeyText(ModelTokenizer.Bytes);
            return [.. Enumerable.Range(0, 5).SelectMany(_ => new[] { string.Join(' ', Tokens(0).Make(60, 1, null, random).Tokens), string.Join(' ', text.Make(900, 1, null, random).Tokens) })];
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 7)]
    [InlineData(10, 1000)]
    public void Answers_are_the_greedy_tokens_of_the_model_whatever_batches_and_chunks(int batch, int chunk)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Model();
        var options = new PasskeyOptions { Lengths = [30, 50], SampleCount = 10, Seed = 3, BatchSize = batch, ChunkLength = chunk };
        var result = Passkey.Run(model, Tokens(0), options);

        using var random = new Generator(3);
        var answers = result.Answers.GetEnumerator();
        foreach (var length in options.Lengths)
        {
            for (var index = 0; index < 10; index++)
            {
                var prompt = Tokens(0).Make(length, 1, null, random);
                var tokens = prompt.Tokens.Select(token => (long)token).ToList();
                for (var place = 0; place < 4; place++)
                    tokens.Add(model.call(tensor(tokens.ToArray()).unsqueeze(0), null)[0, -1].argmax().item<long>());
                Assert.True(answers.MoveNext());
                Assert.Equal(tokens.Skip((int)length).Select(token => (int)token), answers.Current.Given);
                Assert.Equal((length, prompt.Depth), (answers.Current.Length, answers.Current.Depth));
                Assert.Equal(tokens.Skip((int)length).Select(token => (int)token).SequenceEqual(prompt.Answer.Value), answers.Current.IsRight);
            }
        }
        Assert.False(answers.MoveNext());
    }

    [Fact]
    public void Accuracy_is_counted_by_length_and_by_depth()
    {
        var result = new PasskeyResult([new(64, 0, true, []), new(64, 0.19, false, []), new(64, 1, true, []), new(128, 0.5, false, [])]);

        Assert.Equal([64L, 128L], result.Lengths);
        Assert.Equal(2 / 3.0, result.Accuracy(64).Value);
        Assert.Equal([0.5, null, null, null, 1.0], result.ByDepth(64, 5).Select(share => share?.Value));
        Assert.Contains("| 128 | 0.00 +- ", result.ToMarkdown(), StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => result.Accuracy(65));
    }

    [Fact]
    public void What_does_not_fit_is_refused_by_name()
    {
        using var model = Model();
        using var random = new Generator(1);
        Refused("PasskeyOptions.Lengths is empty", () => Passkey.Run(model, Tokens(0), new PasskeyOptions()));
        Refused("PasskeyOptions.SampleCount = 0", () => Passkey.Run(model, Tokens(0), new PasskeyOptions { Lengths = [40], SampleCount = 0 }));
        Refused("from 1 to 1 keys", () => Passkey.Run(model, Tokens(0), new PasskeyOptions { Lengths = [40], KeyCount = 2 }));
        Refused("7 tokens has no room", () => Passkey.Run(model, Tokens(0), new PasskeyOptions { Lengths = [7] }));
        Refused("100 tokens has no room", () => new PasskeyText(ModelTokenizer.Bytes).Make(100, 1, null, random));
        Refused("A depth is from 0 to 1", () => Tokens(0).Make(40, 1, 1.5, random));
        Refused("outside the vocabulary of 40", () => Passkey.Run(model, new PasskeyText(ModelTokenizer.Bytes), new PasskeyOptions { Lengths = [900] }));
        Refused("PasskeyTokensOptions.Query = -1", () => Made(new PasskeyTokensOptions { Digits = [1, 2, 3, 4], Filler = [5], Key = 6 }));
        Refused("PasskeyTokensOptions.DigitCount = 4", () => Made(new PasskeyTokensOptions { Digits = [1], Filler = [5], Key = 6, Query = 7 }));

        static void Made(PasskeyTokensOptions options) => GC.KeepAlive(new PasskeyTokens(options));

        static void Refused(string words, Action run) => Assert.Contains(words, Assert.ThrowsAny<ArgumentException>(run).Message, StringComparison.Ordinal);
    }

    private static PasskeyTokens Tokens(int labels) => new(new PasskeyTokensOptions
    {
        Digits = [.. Enumerable.Range(0, 10)],
        Filler = [10, 11, 12],
        Key = Key,
        Query = Query,
        Begin = Begin,
        Labels = [.. Enumerable.Range(30, labels)],
    });

    private static LanguageModel Model()
    {
        var builder = new LanguageModelBuilder { VocabSize = 40, ModelDim = 16, LayerCount = 2, Dtype = ScalarType.Float64 };
        builder.Options.InitializerRange = 0.4;
        return builder.AddAttention(attention => attention.HeadCount = 2).AddRotary().AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (16, 2)).Build();
    }
}
