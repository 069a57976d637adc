// CheckPackages.cs PACKAGES SRC: every folder of SRC has its package in PACKAGES, with all that a user needs in it, and no dependency that was not agreed.
using System.IO.Compression;
using System.Xml.Linq;

string[] ofCore =
[
    "TorchSharp", "Microsoft.ML.Tokenizers", "Microsoft.Extensions.AI.Abstractions", "Microsoft.Extensions.Configuration.Abstractions",
    "Microsoft.Extensions.DependencyInjection.Abstractions", "Microsoft.Extensions.Logging.Abstractions", "Microsoft.Extensions.Options",
];
var ofAddOns = new Dictionary<string, string[]> { ["LmKit.Tuning"] = ["ZstdSharp.Port", "Microsoft.Extensions.AI.Abstractions"] };

var problems = new List<string>();
var names = Directory.GetDirectories(args[1]).Select(folder => Path.GetFileName(folder)).Order().ToList();
foreach (var name in names)
{
    var found = Directory.GetFiles(args[0], $"{name}.*.nupkg");
    if (found.Length != 1)
    {
        problems.Add($"{name}: {found.Length} packages in {args[0]}, expected 1");
        continue;
    }

    Check(name, found[0]);
    if (!File.Exists(Path.ChangeExtension(found[0], "snupkg")))
    {
        problems.Add($"{name}: no symbol package");
    }
}

Console.WriteLine(problems.Count == 0 ? $"{names.Count} packages checked" : string.Join('\n', problems));
return problems.Count == 0 ? 0 : 1;

void Check(string name, string path)
{
    using var package = ZipFile.OpenRead(path);
    var entries = package.Entries.Select(entry => entry.FullName).ToHashSet();
    problems.AddRange(
        new[] { $"{name}.nuspec", $"lib/net10.0/{name}.dll", $"lib/net10.0/{name}.xml", "README.md", "CHANGELOG.md", "icon.png" }
            .Where(entry => !entries.Contains(entry)).Select(entry => $"{name}: no {entry}"));
    problems.AddRange(entries.Where(entry => entry.StartsWith("runtimes/", StringComparison.Ordinal)).Select(entry => $"{name}: native file {entry}"));

    if (name == "LmKit.Core")
    {
        problems.AddRange(
            new[] { "buildTransitive/LmKit.Core.targets", "buildTransitive/LmKitStart.cs" }.Where(entry => !entries.Contains(entry)).Select(entry => $"{name}: no {entry}"));
    }

    using var stream = package.GetEntry($"{name}.nuspec")!.Open();
    var metadata = XDocument.Load(stream).Root!.Elements().Single(element => element.Name.LocalName == "metadata");
    string? Value(string key) => metadata.Elements().FirstOrDefault(element => element.Name.LocalName == key)?.Value;
    if (Value("license") != "MIT")
    {
        problems.Add($"{name}: licence is {Value("license") ?? "missing"}, not MIT");
    }

    var allowed = name == "LmKit.Core" ? ofCore : [.. ofAddOns.GetValueOrDefault(name, []), "LmKit.Core"];
    var isStable = !Value("version")!.Contains('-');
    foreach (var dependency in metadata.Descendants().Where(element => element.Name.LocalName == "dependency"))
    {
        var (id, version) = (dependency.Attribute("id")!.Value, dependency.Attribute("version")!.Value);
        if (!allowed.Contains(id))
        {
            problems.Add($"{name}: depends on {id}, which was not agreed");
        }

        if (isStable && id.StartsWith("LmKit.", StringComparison.Ordinal) && version.Contains('-'))
        {
            problems.Add($"{name}: stable, but depends on the pre-release {id} {version}");
        }
    }
}
