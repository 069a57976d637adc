namespace LmKit.Snippets;

/// <summary>The sample of judging a change in the README of LmKit.Core.</summary>
internal static class EvaluationSample
{
    /// <summary>Measures a published model before and after a change.</summary>
    internal static void Judge(string folder, string text, string questions, ModelTokenizer tokenizer)
    {
        using var plain = LanguageModel.Load(folder);
        using var changed = LanguageModel.Load(folder, change: builder => builder.AddLambdaMask(mask => mask.LocalLength = 512));
        var windows = new PerplexityOptions { WindowLength = 1_024, Stride = 512, PositionsPerBin = 128 };
        var (before, after) = (Perplexity.Compute(plain, [text], tokenizer, windows), Perplexity.Compute(changed, [text], tokenizer, windows));
        Console.WriteLine($"{before.Perplexity} -> {after.Perplexity}; per token {Perplexity.Compare(before, after)}");
        var (first, second) = (MultipleChoice.Run(plain, tokenizer, questions), MultipleChoice.Run(changed, tokenizer, questions));
        Console.WriteLine($"{first.Accuracy} -> {second.Accuracy}; p = {MultipleChoice.Compare(first, second).PValue:F3}");
    }
}
