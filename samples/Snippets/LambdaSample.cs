using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Snippets;

/// <summary>The samples of the README of LmKit.LongContext.</summary>
internal static class LambdaSample
{
    /// <summary>A stream far longer than the window, in chunks, with a cache that stays small.</summary>
    internal static void Stream()
    {
        using var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 64, LayerCount = 2 }
            .AddAttention(attention => attention.HeadCount = 4)
            .AddRotary()
            .AddLambdaMask(mask => { mask.LocalLength = 64; mask.GlobalLength = 4; })
            .Build();
        using var frozen = no_grad();
        using var random = new Generator(1);
        using var state = model.NewState(1);
        for (var chunk = 0; chunk < 100; chunk++)
        {
            using var scope = NewDisposeScope();
            var tokens = randint(0, 256, [1, 100], ScalarType.Int64, generator: random);
            _ = model.call(tokens, new SequenceContext(state)); // (1, 100, 256) logits
        }
        Console.WriteLine($"{state.Position:N0} tokens read, {state.Tensors["layers.0.keys"].size(2)} keys held");
    }

    /// <summary>The mask in some layers only; the others keep full causal attention.</summary>
    internal static LanguageModelBuilder InSomeLayers(LanguageModelBuilder builder) =>
        builder.AddLambdaMask(mask => mask.LocalLength = 512, layers: [1, 3]);

    /// <summary>What fails beyond a trained length, the mask that is best within a budget of memory, and keys hidden in long prompts.</summary>
    internal static LanguageModel Diagnose(LanguageModel model, IReadOnlyList<int>[] texts, IReadOnlyList<int>[] heldOut, ModelTokenizer tokenizer)
    {
        var diagnosis = LengthDiagnosis.Run(model, texts, trainedLength: 4096);
        Console.WriteLine(diagnosis.Verdict); // which factor fails, with the figures behind it
        File.WriteAllText("lengths.md", diagnosis.ToMarkdown());
        File.WriteAllText("lengths.csv", diagnosis.ToCsv());
        File.WriteAllText("lengths.svg", diagnosis.ToSvg());

        var tuning = LambdaTuner.Run(model, heldOut, trainedLength: 4096, memoryBudget: 512L << 20);
        Console.WriteLine(tuning.ToMarkdown());
        model = model.With(builder => builder.AddLambdaMask(tuning.Apply));

        var keys = Passkey.Run(model, new PasskeyText(tokenizer), new PasskeyOptions { Lengths = [1_024, 4_096] });
        Console.WriteLine(keys.ToMarkdown());
        return model;
    }
}
