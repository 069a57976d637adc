namespace LmKit.QuickStart;

/// <summary>Text from a saved model folder alone, as any other process would make it.</summary>
/// <param name="folder">The model folder.</param>
/// <param name="length">Tokens to add.</param>
/// <param name="seed">Seed of the draws.</param>
/// <param name="greedy">Whether to take the most likely token each time instead of drawing as the folder's configuration says.</param>
public sealed class TextStream(string folder, long length, ulong seed, bool greedy)
{
    /// <summary>Writes the prompt and its continuation, piece by piece.</summary>
    public void WriteTo(TextWriter writer, string prompt, CancellationToken cancellation)
    {
        using var model = LanguageModel.Load(folder, QuickStartModel.AddKinds);
        var sampler = greedy ? new AutoregressiveSampler(model, new AutoregressiveSamplerOptions { Temperature = 0 }) : model.CreateSampler();
        var generator = new TextGenerator(sampler, TokenizerFiles.Load(folder));
        writer.Write(prompt);
        foreach (var piece in generator.Stream(prompt, new GenerationOptions { MaxOutputTokens = checked((int)length), Seed = unchecked((long)seed) }, cancellation))
        {
            writer.Write(piece);
            writer.Flush();
        }
        writer.WriteLine();
    }
}
