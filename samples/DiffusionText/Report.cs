using System.Globalization;
using System.Text;
using Spectre.Console;

namespace LmKit.DiffusionText;

/// <summary>Collects what a run finds, says it on the console as it comes, and writes it as Markdown with a picture.</summary>
internal sealed class Report
{
    private readonly StringBuilder text = new();

    internal List<QualityCurve> Curves { get; } = [];

    internal List<Window> Checks { get; } = [];

    internal void Say(FormattableString line)
    {
        var said = FormattableString.Invariant(line);
        AnsiConsole.Profile.Out.Writer.WriteLine(said);
        text.Append(said).Append("\n\n");
    }

    internal void Add(QualityCurve curve)
    {
        Curves.Add(curve);
        AnsiConsole.Profile.Out.Writer.WriteLine(QualityCurve.Table([curve]));
    }

    /// <summary>The whole text.</summary>
    internal string ToMarkdown(string command, string verdict, string? picture) => string.Create(CultureInfo.InvariantCulture, $"""
        # DiffusionText

        `{command}`, {DateTime.UtcNow:yyyy-MM-dd}, {Environment.ProcessorCount} cores, {TorchSharp.torch.get_num_threads()} torch thread(s).

        {text.ToString().TrimEnd()}

        Perplexity under the true chain / Jensen-Shannon divergence of trigrams in nats / entropy of a sample's tokens in nats, each with its standard error over samples:

        {QualityCurve.Table(Curves).TrimEnd()}

        | figure | value | window | |
        |---|---|---|---|
        {string.Join('\n', Checks.Select(check => check.Row))}

        {verdict}
        {(picture is null ? "" : $"\n![quality over steps]({picture})\n")}
        """);
}
