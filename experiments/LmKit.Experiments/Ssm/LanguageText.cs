using System.Text;
using LmKit.QuickStart;

namespace LmKit.Experiments;

/// <summary>The SDK's reference documentation as tokens, whole files of it held out.</summary>
internal sealed class LanguageText : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lmkit-experiment-").FullName;
    private readonly long heldOutBytes;

    /// <summary>Reads and tokenizes.</summary>
    internal LanguageText(LanguageRecipe recipe, CancellationToken cancellation)
    {
        var split = ReferenceProse.Read().Limit(recipe.TextLimit);
        var tokenizer = new BytePairTrainer(new BytePairOptions { VocabSize = recipe.VocabSize }).Train([split.Training], cancellation).CreateTokenizer();
        heldOutBytes = Encoding.UTF8.GetByteCount(split.Validation);
        Training = Tokens("training", split.Training);
        HeldOut = Tokens("held-out", split.Validation);

        TokenDataset Tokens(string name, string text) => TokenDataset.Create([new TextDocument(name, text)], tokenizer, Path.Combine(folder, name + ".tokens"), cancellation);
    }

    internal TokenDataset Training { get; }

    internal TokenDataset HeldOut { get; }

    /// <summary>A loss in nats per token as bits per byte of the text, whatever the vocabulary.</summary>
    internal Estimate BitsPerByte(Estimate loss) => loss.Scaled((HeldOut.Count - 1) / Math.Log(2) / heldOutBytes);

    public void Dispose()
    {
        Training.Dispose();
        HeldOut.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}
