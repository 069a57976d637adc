using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;

namespace LmKit.Architecture.Tests;

public class TestMirrorTests
{
    private static readonly string[] kinds = ["Mixer", "Linear", "Mask", "Sampler"];

    [Fact]
    public void Every_mixer_linear_mask_and_sampler_is_named_by_a_test_of_its_package() =>
        Offenders.None(
            "A class of one of the families has a test in its package's test project.",
            from package in Sources.Packages
            let tests = Repository.Files($"tests/{package.Name}.Tests", ".cs")
            from type in package.Types
            where type is { TypeKind: TypeKind.Class, IsStatic: false } && IsOfAFamily(type.Name)
            where !tests.Any(test => Regex.IsMatch(test.Text, $@"\b{type.Name}\b"))
            select $"{Package.FileOf(type)}: no file of tests/{package.Name}.Tests names {type.Name}");

    [Theory]
    [InlineData("H3Mixer", true)]
    [InlineData("IMixer", false)]
    [InlineData("InteractionMixer", true)]
    [InlineData("LambdaMaskOptions", false)]
    public void Interfaces_and_companions_are_no_members_of_a_family(string name, bool expected) => Assert.Equal(expected, IsOfAFamily(name));

    private static bool IsOfAFamily(string name) =>
        kinds.Any(kind => name.EndsWith(kind, StringComparison.Ordinal)) && !(name[0] == 'I' && name.Length > 1 && char.IsUpper(name[1]));
}
