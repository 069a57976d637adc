using System.Text.RegularExpressions;

namespace LmKit.Architecture.Tests;

/// <summary>Each slot is filled from outside: some test project defines a kind of its own for it.</summary>
public partial class SlotToyTests
{
    private const string List = "slots-without-toy.txt";

    [Fact]
    public void Every_slot_is_filled_by_a_toy_of_some_test_project()
    {
        var filled = Repository.Files("tests", ".cs").Where(file => !file.IsInFolder("LmKit.Architecture.Tests")).SelectMany(file => Filled(file.Text)).ToHashSet();
        var slots = Filled(Repository.Read("src/LmKit.Core/Contracts/Slots.cs").Text, Declaration()).ToList();
        Assert.NotEmpty(slots);

        Offenders.None(
            $"A test defines a kind for each slot (`Slots.X.Define`), so that a third party can; those without one stand in {List} with the reason.",
            Exceptions.Compare(slots.Where(slot => !filled.Contains(slot)).Select(slot => ("LmKit.Core", slot)), Exceptions.Read(List)));
    }

    [Fact]
    public void A_definition_is_found_with_options_and_without() =>
        Assert.Equal(["Mask", "Norm"], Filled("var a = Slots.Mask.Define(\"x\", _ => new A());\nvar b = Slots.Norm\n    .Define<O>(\"y\", Make); // Slots.Head, Slots.Block.Name"));

    private static IEnumerable<string> Filled(string text) => Filled(text, Definition());

    private static IEnumerable<string> Filled(string text, Regex pattern) => pattern.Matches(text).Select(match => match.Groups["slot"].Value);

    [GeneratedRegex(@"\bSlots\.(?<slot>\w+)\s*\.Define\b")]
    private static partial Regex Definition();

    [GeneratedRegex(@"public static readonly Slot<.*> (?<slot>\w+) =")]
    private static partial Regex Declaration();
}
