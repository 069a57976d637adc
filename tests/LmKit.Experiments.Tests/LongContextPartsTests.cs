using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Experiments.Tests;

public sealed class LongContextPartsTests
{
    [Fact]
    public void Second_halves_of_the_windows_are_the_bytes_of_the_last_bucket()
    {
        IReadOnlyList<int>[] texts = [[.. Enumerable.Range(0, 200)], [.. Enumerable.Range(300, 200)]];

        var windows = ByteText.Halves(texts, 64, 16).ToArray();

        Assert.All(windows, window => Assert.Equal(16, window.Count));
        Assert.Equal([.. Enumerable.Range(64, 136), .. Enumerable.Range(364, 136)], windows.SelectMany(window => window.Skip(8)));
    }

    [Fact]
    public void Policies_are_laid_over_the_plain_model_and_not_over_each_other()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var model = ShortModel.Build(30, 1);
        var tokens = arange(80, dtype: ScalarType.Int64).remainder(30).unsqueeze(0);
        var plain = model.call(tokens, null).clone();

        foreach (var policy in new[] { LongPolicy.Ntk(4), LongPolicy.Lambda(8, 2), LongPolicy.CeilingOnly(8), LongPolicy.Window(8) })
        {
            model = policy.Apply(model);
            Assert.True((model.call(tokens, null) - plain).abs().max().ToDouble() > 1e-7, policy.Name);
        }
        model = LongPolicy.Vanilla.Apply(model);
        Assert.Equal(plain.data<float>().ToArray(), model.call(tokens, null).data<float>().ToArray());
        model.Dispose();
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.2)]
    public void A_batch_loses_the_mean_of_what_is_wanted_and_a_share_of_the_mean_of_the_rest(double share)
    {
        using var scope = NewDisposeScope();
        using var model = ShortModel.Build(30, 1);
        var tokens = arange(40, dtype: ScalarType.Int64).remainder(30).view(2, 20);
        var counted = zeros_like(tokens, dtype: ScalarType.Bool);
        counted.narrow(1, 17, 3).fill_(true);
        using var task = new RowTask(model, 1, _ => new TrainingRows(tokens, counted, share));

        var loss = task.NextLoss();

        var each = NextTokenLoss.PerToken(model, tokens);
        var (wanted, rest) = (each.narrow(1, 16, 3).mean().ToDouble(), each.narrow(1, 0, 16).mean().ToDouble());
        Assert.Equal(wanted + share * rest, loss.Sum.ToDouble() / loss.Count, 1e-5);
        Assert.Equal(wanted, Assert.Single(task.Wanted), 1e-5);
    }

    [Fact]
    public void Reading_anew_scores_the_same_tokens_from_the_window_before_each()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ShortModel.Build(ByteText.VocabSize, 1);
        IReadOnlyList<int>[] texts = [[.. Enumerable.Range(0, 50).Select(place => place * 7 % 256)]];

        var compared = ReEncoded.Compare(model, texts, 8, default);

        long[] places = [16, 24, 32, 40, 48];
        Assert.Equal(places.Length, compared.Count);
        Assert.Equal(places.Average(place => Loss([ByteText.Begin, .. texts[0].Skip((int)place - 7).Take(8)])), compared.Encoded, 1e-5);
        Assert.Equal(places.Average(place => Loss([ByteText.Begin, .. texts[0].Take((int)place + 1)])), compared.Lambda, 1e-5);

        double Loss(int[] row) => NextTokenLoss.PerToken(model, tensor(row.Select(token => (long)token).ToArray()).unsqueeze(0))[0, -1].ToDouble();
    }

    [Fact]
    public void Rows_of_passkeys_are_a_prompt_and_its_answer()
    {
        using var random = new Generator(3);
        var prompt = PasskeyVocabulary.Task.Make(60, 1, null, random);

        Assert.Equal(60, prompt.Tokens.Count);
        Assert.Equal(PasskeyVocabulary.AnswerLength, prompt.Answer.Value.Count);
        Assert.All(prompt.Tokens.Concat(prompt.Answer.Value), token => Assert.InRange(token, 0, PasskeyVocabulary.Size - 1));
    }
}
